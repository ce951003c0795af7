"""Traffic for the compose file: an endless stream of envelopes, made from recorded answers, through `shadow mirror`.

usage: traffic.py ANSWERS CONFIG [RECORDS]      without RECORDS it goes on until it is stopped
"""

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PER_SECOND = 5.0


def envelopes(answers: Path, seed: int) -> Iterator[dict[str, object]]:
    """One envelope after the other, each a session of its own."""
    rng = random.Random(seed)
    pairs = [json.loads(line) for line in answers.read_text().splitlines()]
    for n in itertools.count():
        pair = rng.choice(pairs)
        yield {
            "v": 1, "id": f"req-{seed}-{n}", "session": f"conv-{seed}-{n}", "route": pair["route"], "ts": time.time(),
            "request": {"model": "prod-v1", "messages": [{"role": "user", "content": pair["prompt"]}], "max_tokens": 128},
            "response": {
                "choices": [{"message": {"role": "assistant", "content": pair["answer"]}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 12, "completion_tokens": len(pair["answer"].split())},
            },
            "status": 200, "latency_ms": round(400 * rng.lognormvariate(0, 0.3), 1),
        }  # fmt: skip


def main(answers: str, config: str, records: str | None = None) -> int:
    """Sends batches of five seconds until there are enough, or for ever."""
    stream = envelopes(Path(answers), int(time.time()))
    left = float("inf") if records is None else int(records)
    while left > 0:
        batch = list(itertools.islice(stream, int(min(left, PER_SECOND * 5))))
        left -= len(batch)
        lines = "".join(json.dumps(e) + "\n" for e in batch)
        command = ["shadow", "mirror", "-", "-c", config, "--rate", str(PER_SECOND)]
        result = subprocess.run(command, input=lines, text=True, check=False)  # noqa: S603  arguments are our own
        if result.returncode not in (0, 3):  # 3: the broker is away for now
            return result.returncode
        time.sleep(1.0 if result.returncode else 0.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
