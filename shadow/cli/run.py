"""`shadow run`: the sidecar."""

import click


@click.command(
    short_help="The sidecar: consume, replay, score, account, export.",
    epilog="Exit codes: 0 clean stop, 2 configuration invalid, 3 something outside refuses for good (the message says what).",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration.")
@click.option(
    "--role",
    type=click.Choice(["all", "worker", "monitor"]),
    default="all",
    show_default=True,
    help="worker: consume, replay, score. monitor: verdicts and exports. all: both; only one monitor leads per ledger.",
)
@click.option(
    "--until-idle",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop cleanly once everything in the source has been accounted for and nothing came for so long.",
)
def command(config: str, role: str, until_idle: float | None) -> None:
    """Consume mirrored requests, replay them to the candidates, score the answers, account for every record once.

    \b
    Example:  shadow run -c shadow.yaml
              shadow run -c shadow.yaml --until-idle 30     for a file, or in CI

    SIGTERM stops intake, lets what was asked finish, writes it, and leaves. A second start goes on where the ledger stands.
    """
    import sys

    from shadow.app.checking import validated
    from shadow.app.parent import run

    document = validated(config)
    if role == "monitor" and until_idle is not None:
        raise click.UsageError("--until-idle waits for a source; a monitor has none. Use it with --role all or worker.")
    sys.exit(run(document.settings, role=role, until_idle_seconds=until_idle, config_path=config))
