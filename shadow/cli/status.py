"""`shadow status`: one screen."""

import click


@click.command(
    short_help="One screen: arms, lag, coverage, verdicts, what needs a person.",
    epilog="Exit codes: 0 shown, 2 configuration invalid, 3 the ledger cannot be read.",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration.")
@click.option("--json", "as_json", is_flag=True, help="The whole snapshot as one JSON object, `memory` beside it.")
def command(config: str, as_json: bool) -> None:
    """Show arms up or down, what was read and what became of it, verdicts, memory under load, and what needs a person.

    Reads the ledger only, also while `shadow run` is writing it.

    \b
    Example:  shadow status -c shadow.yaml
    """
    import msgspec
    from rich.console import Console

    from shadow.cli.looking import take_look
    from shadow.cli.opening import opened
    from shadow.exporters.peaks import decode
    from shadow.exporters.terminal import render_memory, render_status
    from shadow.loops.memory import STATE

    snapshot = take_look(config).snapshot
    with opened(config) as (_, ledger):
        peaks = decode(ledger.get_state(STATE))
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(snapshot), "memory": peaks}).decode())
        return
    Console().print(render_status(snapshot))
    if peaks:
        Console().print(render_memory(peaks))
    click.echo(f"next:  shadow verdict -c {config}    shadow coverage -c {config}")
