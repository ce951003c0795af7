"""Outcomes as lines of JSON or columns of Parquet, streamed: memory does not grow with the ledger."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from shadow.errors import UnreachableError
from shadow.ledger.base import OutcomeRow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_ROWS = 5000

COLUMNS = (
    "topic",
    "partition",
    "offset",
    "call",
    "id",
    "ts",
    "session",
    "route",
    "tags",
    "segment",
    "weight",
    "epoch",
    "arm",
    "role",
    "status",
    "failure",
    "truncated",
    "retries",
    "latency_seconds",
    "queue_seconds",
    "ttft_seconds",
    "tpot_seconds",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cost_usd",
    "scores",
    "labels",
    "findings",
)
"""The columns of an export, in order. A promise to scripts."""

_DERIVED = {"ts", "weight"}


def iso(unix_ms: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds; None for an unknown time or one that no calendar has."""
    if unix_ms is None:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=unix_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


def export_row(row: OutcomeRow) -> dict[str, Any]:
    """One outcome as the export shows it: COLUMNS in order, unknown as None, weight = 2**-exponent."""
    derived = {"ts": iso(row.ts_unix_ms), "weight": 2.0**-row.weight_exponent}
    return {name: derived[name] if name in _DERIVED else getattr(row, name) for name in COLUMNS}


def write_jsonl(rows: Iterable[OutcomeRow], path: Path) -> int:
    """Writes one JSON object per line; returns how many."""
    import msgspec

    encoder = msgspec.json.Encoder()
    count = 0
    with replacing(path) as temporary, temporary.open("wb") as file:
        for row in rows:
            file.write(encoder.encode(export_row(row)) + b"\n")
            count += 1
    return count


def write_parquet(rows: Iterable[OutcomeRow], path: Path) -> int:
    """Writes Parquet in row groups of 5,000; returns the number of rows. Needs pyarrow."""
    import pyarrow
    from pyarrow import parquet

    schema = _parquet_schema(pyarrow)
    count = 0
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in _batches(rows):
            shown = [export_row(row) for row in batch]
            for line in shown:
                line["tags"], line["scores"], line["labels"] = (
                    list(line[c].items()) for c in ("tags", "scores", "labels")
                )
            writer.write_table(pyarrow.Table.from_pylist(shown, schema=schema))
            count += len(batch)
    return count


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place at the end: an export that breaks off leaves no half file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnreachableError(f"{path} cannot be written: {error.strerror}; name another file with --out") from None


def _batches(rows: Iterable[OutcomeRow]) -> Iterator[list[OutcomeRow]]:
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH_ROWS)):
        yield batch


def _parquet_schema(pyarrow: Any) -> Any:
    text, number, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    finding = pyarrow.struct([("scorer", text), ("category", text), ("count", number)])
    types = {
        **dict.fromkeys(("partition", "offset", "call", "epoch", "status", "retries"), number),
        **dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens"), number),
        **dict.fromkeys(("latency_seconds", "queue_seconds", "ttft_seconds", "tpot_seconds"), real),
        **dict.fromkeys(("weight", "cost_usd"), real),
        "ts": text,
        "truncated": pyarrow.bool_(),
        "tags": pyarrow.map_(text, text),
        "scores": pyarrow.map_(text, real),
        "labels": pyarrow.map_(text, text),
        "findings": pyarrow.list_(finding),
    }
    return pyarrow.schema([(name, types.get(name, text)) for name in COLUMNS])
