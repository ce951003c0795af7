"""`shadow verify`: recompute and compare, bit for bit."""

import click


@click.command(
    short_help="Recompute aggregates and verdicts from the outcomes and compare.",
    epilog="Exit codes: 0 everything agrees, 1 something differs, 2 configuration invalid, 3 the ledger cannot be read.",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration.")
def command(config: str) -> None:
    """Count records and outcomes again, fold the outcomes again, decide again, and compare with what is stored.

    \b
    Example:  shadow verify -c shadow.yaml
    """
    import sys

    from shadow.app.checking import scorer_kinds, validated
    from shadow.app.parts import build_ledger
    from shadow.loops.recount import recount
    from shadow.stats import FoldSpec

    settings = validated(config).settings
    ledger = build_ledger(settings, read_only=True)
    try:
        with ledger.snapshot() as reader:
            result = recount(reader, settings, FoldSpec.from_policy(settings.policy, scorer_kinds(settings)))
    finally:
        ledger.close()
    for difference in result.differences:
        click.echo(f"differs: {difference}")
    if result.differences:
        click.echo(
            f"{len(result.differences)} differences over {result.outcomes} outcomes: the ledger was changed by something else"
        )
        sys.exit(1)
    if result.swept:
        click.echo(
            f"{result.swept} records are past their retention: what is left agrees in number; sums cannot be made again"
        )
        return
    click.echo(
        f"agrees: {result.outcomes} outcomes, {result.sums} sums and {result.verdicts} verdicts, recomputed bit for bit"
    )
