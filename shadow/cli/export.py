"""`shadow export`: outcomes for your own analysis."""

from pathlib import Path

import click


@click.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False), help="The configuration file.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Target; .jsonl or .parquet chooses the format."
)
@click.option("--arm", default=None, help="Only this arm; absent: every arm, the incumbent too.")
def command(config: str, out: Path, arm: str | None) -> None:
    """Outcomes as JSONL or Parquet: numbers, ids and scores, one row per call and arm; never texts.

    Rows are in the order of topic, partition, offset, call and arm. Unknown is null, `ts` is ISO 8601, `weight` is the
    weight class. In Parquet `tags`, `scores` and `labels` are maps. Works while `shadow run` is writing.

    \b
    Example:     shadow export -c shadow.yaml --out outcomes.parquet
    Exit codes:  0 written, 2 invalid configuration or file name, 3 no ledger, no answer or no place to write
    """
    from shadow.cli.exporting import write_jsonl, write_parquet
    from shadow.cli.opening import opened

    writers = {".jsonl": write_jsonl, ".parquet": write_parquet}
    writer = writers.get(out.suffix)
    if writer is None:
        raise click.BadParameter(f"{out.name} ends neither in .jsonl nor in .parquet", param_hint="--out")
    if out.suffix == ".parquet":
        _require_pyarrow()
    with opened(config) as (_, ledger):
        count = writer(ledger.outcomes(arm=arm), out)
    click.echo(f"{count:,} outcomes written to {out}", err=True)


def _require_pyarrow() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise click.UsageError("Parquet needs pyarrow: `pip install 'shadow-monitor[parquet]'`, or write .jsonl")
