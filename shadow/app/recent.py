"""How much traffic there has been lately: in the ledger (counted units, and what they showed), or in the topic."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shadow.errors import UnreachableError
from shadow.ledger.reading import Reader
from shadow.settings import KafkaSource, Settings
from shadow.sources.kafka_client import client_options, unreachable
from shadow.sources.kafka_open import open_client
from shadow.stats import OVERALL, FoldSpec, PairState

_WINDOW_MINUTES = 7 * 24 * 60
_LEAST_MINUTES = 10
_DAY_MS = 86_400_000
_TOPIC_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The pairs of the candidate that has most, by weight class; units a day over the last seven days of them."""

    candidate: str | None = None
    pairs: Mapping[int, PairState] = field(default_factory=dict)
    units_per_day: float | None = None


def from_ledger(reader: Reader, settings: Settings, spec: FoldSpec) -> Recent:
    """What the ledger knows; empty when it holds no pair that `spec` counted. A rate needs ten minutes at least."""
    best = Recent()
    most = 0
    for candidate in settings.candidates:
        epoch = next((e for e in reversed(reader.epochs(candidate.name)) if e.why_ended is None), None)
        if epoch is None:
            continue
        pairs: dict[int, PairState] = {}
        minutes: dict[int, int] = {}
        for key, data in reader.aggregates("pair", epoch.id, candidate.name):
            state = PairState.from_bytes(data)
            if key.segment != OVERALL or state.spec != spec.key:
                continue
            minutes[key.minute] = minutes.get(key.minute, 0) + state.pairs
            pairs.setdefault(key.weight_exponent, PairState(spec.key)).absorb(state)
        if (total := sum(minutes.values())) > most:
            most = total
            best = Recent(candidate=candidate.name, pairs=pairs, units_per_day=_per_day(minutes))
    return best


def _per_day(minutes: Mapping[int, int]) -> float | None:
    last = max(minutes)
    first = max(min(minutes), last - _WINDOW_MINUTES)
    if last - first < _LEAST_MINUTES:
        return None
    return sum(n for minute, n in minutes.items() if first <= minute < last) / (last - first) * 24 * 60


def from_topic(source: KafkaSource) -> float | None:
    """Records a day in the topic, from the last 24 hours of it; None while it is empty or missing. Blocks for seconds.

    Raises UnreachableError when the broker does not answer.
    """
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    options = {**client_options(source), "bootstrap_timeout_ms": _TOPIC_TIMEOUT_MS, "allow_auto_create_topics": False}
    consumer: Any = None
    try:
        consumer = open_client(KafkaConsumer, **options)
        places = [TopicPartition(source.topic, p) for p in sorted(consumer.partitions_for_topic(source.topic) or ())]
        if not places:
            return None
        now = time.time_ns() // 1_000_000
        ends = consumer.end_offsets(places)
        firsts = [f for f in consumer.offsets_for_times(dict.fromkeys(places, 0)).values() if f is not None]
        since = max(now - _DAY_MS, min((f.timestamp for f in firsts), default=now))
        at = consumer.offsets_for_times(dict.fromkeys(places, since))
    except KafkaError as error:
        raise UnreachableError(unreachable(source, error)) from None
    finally:
        if consumer is not None:
            consumer.close()
    records = sum(ends[place] - found.offset for place, found in at.items() if found is not None)
    days = (now - since) / _DAY_MS
    return records / days if records and days > 0 else None
