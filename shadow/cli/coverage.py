"""`shadow coverage`: what became of everything that was read."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shadow.ledger.coverage import Coverage


@click.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False), help="The configuration file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for scripts.")
@click.pass_context
def command(context: click.Context, config: str, as_json: bool) -> None:
    """What became of everything that was read.

    Every record ends in exactly one disposition, and they add up to what was read: the residual is 0. Counts are the
    ledger's, so the command works while `shadow run` is writing, and after it stopped.

    \b
    Example:     shadow coverage -c shadow.yaml
    Scripts:     shadow coverage -c shadow.yaml --json
                 {"read", "dispositions", "residual", "arms": {name: {"outcomes", "failures", "output_tokens"}}}
    Exit codes:  0 everything adds up, 1 a residual, 2 invalid configuration, 3 no ledger or no answer
    """
    from shadow.cli.opening import opened
    from shadow.ledger.coverage import coverage
    from shadow.records import BASELINE, INCUMBENT

    with opened(config) as (settings, ledger):
        second = [BASELINE] if settings.baseline is not None or settings.duplicates.enabled else []
        arms = [INCUMBENT, *second, *(c.name for c in settings.candidates)]
        with ledger.snapshot() as snapshot:
            found = coverage(snapshot, arms)
    if as_json:
        _write_json(found)
    else:
        _write_table(found, config)
    context.exit(0 if found.residual == 0 else 1)


def _write_json(found: "Coverage") -> None:
    import json

    from shadow.cli.dispositions import MEANINGS

    arms = {
        name: {"outcomes": t.outcomes, "failures": t.failures, "output_tokens": t.output_tokens}
        for name, t in found.arms.items()
    }
    counts: dict[str, int] = {**dict.fromkeys(map(str, MEANINGS), 0), **found.dispositions}
    click.echo(json.dumps({"read": found.read, "dispositions": counts, "residual": found.residual, "arms": arms}))


def _write_table(found: "Coverage", config: str) -> None:
    from rich.table import Table

    from shadow.cli.dispositions import MEANINGS
    from shadow.cli.visible import console as make_console

    console = make_console()
    if found.partitions == 0:
        console.print(f"Nothing was read yet. `shadow status -c {config}` shows what the sidecar waits for.")
        return
    table = Table(
        "disposition", "records", "share", "meaning", title=f"{found.read:,} records read", title_justify="left"
    )
    for ending, meaning in MEANINGS.items():
        count = found.dispositions.get(ending, 0)
        if count:
            table.add_row(ending, f"{count:,}", f"{count / found.read:.1%}" if found.read else "", meaning)
    console.print(table)
    arms = Table("arm", "outcomes", "failures", "output tokens")
    for name, totals in found.arms.items():
        arms.add_row(name, f"{totals.outcomes:,}", f"{totals.failures:,}", f"{totals.output_tokens:,}")
    console.print(arms)
    if found.lost:
        console.print(
            f"{found.lost:,} records fell to the topic's retention before they were read: raise the topic's retention, "
            "add workers, or lower sampling.rate."
        )
    if found.residual:
        console.print(
            f"Residual {found.residual:,}: the dispositions do not add up to what was read. The ledger is wrong: "
            f"`shadow verify -c {config}` says where."
        )
    else:
        console.print(f"Residual 0: everything that was read is accounted for. Next: `shadow verdict -c {config}`.")
