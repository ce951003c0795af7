"""A process that reads imaginary partitions into a ledger until it is killed or done; run by the chaos test.

usage: python ledger_worker.py URL PARTITIONS RECORDS SEED
"""

import random
import sys
import time

from builders_ledger import a_batch, a_key, a_question, add, state

from shadow.errors import Fenced, UnreachableError
from shadow.ledger.base import PrefixBatch
from shadow.ledger.sql import SqlLedger

ARMS = ("incumbent", "cand-a")


def slow_add(kind: str, one: bytes, other: bytes) -> bytes:
    """Stretches the transaction, so that kills fall inside it."""
    time.sleep(0.003)
    return add(kind, one, other)


def batch(partition: int, start: int, count: int) -> PrefixBatch:
    """Everything in it follows from the offsets: whoever commits them commits the same."""
    values = {a_key(o % 5, segment="all"): 0 for o in range(start, start + count)}
    for o in range(start, start + count):
        values[a_key(o % 5, segment="all")] += o
    deltas = {key: state(value) for key, value in values.items()}
    return a_batch(start, count, arms=ARMS, partition=partition, aggregates=deltas)


def main(url: str, partitions: int, records: int, seed: int) -> None:
    dice = random.Random(seed)
    ledger = SqlLedger.open(url, merge=slow_add)
    left = set(range(partitions))
    while left:
        partition = dice.choice(sorted(left))
        try:
            question = a_question(partition=partition, end_offset=records)
            offset = ledger.load_position(question, group="g").next_offset
            for _ in range(dice.randrange(1, 6)):
                if offset >= records:
                    left.discard(partition)
                    break
                count = min(dice.randrange(1, 12), records - offset)
                ledger.commit(batch(partition, offset, count))
                offset += count
        except Fenced:
            continue
        except UnreachableError:
            time.sleep(0.1)
    ledger.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
