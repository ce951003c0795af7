"""`shadow init`: a commented configuration to start from."""

from importlib.resources import files
from pathlib import Path

import click

EXAMPLES = {
    "kafka": "a Kafka topic and one candidate (the usual case)",
    "file": "a file of recorded requests, for a decision in CI",
    "hosted": "a candidate behind somebody else's API: redacted text, a budget",
    "fleet": "many replicas on PostgreSQL",
}


@click.command(
    short_help="Write a commented configuration to start from.",
    epilog="Exit codes: 0 written, 2 the file exists (use --force) or the example is unknown.",
)
@click.option("--out", type=click.Path(dir_okay=False), default="shadow.yaml", show_default=True, metavar="FILE")
@click.option("--example", type=click.Choice(list(EXAMPLES)), default="kafka", show_default=True)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(out: str, example: str, force: bool) -> None:
    """Write a configuration for one of a few named situations; every key it does not show has a default.

    \b
    kafka    a Kafka topic and one candidate (the usual case)
    file     a file of recorded requests, for a decision in CI
    hosted   a candidate behind somebody else's API: redacted text, a budget
    fleet    many replicas on PostgreSQL
    """
    target = Path(out)
    if target.exists() and not force:
        raise click.UsageError(f"{out} exists; name another with --out, or overwrite it with --force")
    text = (files("shadow.cli") / "examples" / f"{example}.yaml").read_text(encoding="utf-8")
    target.write_text(text.replace("-c THIS", f"-c {out}"), encoding="utf-8")
    click.echo(f"wrote {out}: {EXAMPLES[example]}")
    click.echo(
        f"next:  edit source and candidates, then  shadow check -c {out}{' --connect' if example != 'file' else ''}"
    )
