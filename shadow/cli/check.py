"""`shadow check`: what is wrong with a configuration, and what can be decided with it."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shadow.app.connecting_base import Line
    from shadow.app.summarising import ArmSummary, Summary

_WIDTH = 12


@click.command(
    short_help="Validate a configuration and say what can be decided with it.",
    epilog="Exit codes: 0 valid, 2 invalid or cannot run on this machine, 3 something outside has to be fixed (--connect).",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration.")
@click.option("--connect", is_flag=True, help="Ask broker, backends and database too, within ten seconds.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for scripts.")
def command(config: str, connect: bool, as_json: bool) -> None:
    """Validate FILE and say what it amounts to: arms, scorers, which gates can be decided and what the others lack.

    With --connect each part outside is asked, and answers OK or FIX with the exact remedy. Nothing is written anywhere;
    each server gets one call of one token. The output holds no secret and may be pasted into a ticket.

    \b
    Examples:  shadow check -c shadow.yaml
               shadow check -c shadow.yaml --connect
    """
    import sys

    from shadow.app.checking import validated
    from shadow.app.foreseeing import axes_of
    from shadow.app.summarising import summarise
    from shadow.errors import ConfigurationError

    try:
        document = validated(config)
    except ConfigurationError as error:
        if as_json:
            _write_json({"config": config, "valid": False, "problems": error.problems})
            sys.exit(2)
        raise
    settings = document.settings
    summary, axes = summarise(settings), axes_of(document)
    lines: list[Line] = []
    if connect:
        from shadow.app.connecting import check_connections

        lines = check_connections(settings)
    if as_json:
        _write_json({**_as_json(config, summary, lines if connect else None), "axes": axes})
    else:
        _write(config, summary, axes)
        _write_lines(lines)
        _write_next(config, connect, lines)
    if summary.fixes:
        sys.exit(2)
    if any(line.state == "FIX" for line in lines):
        sys.exit(3)


def _write(config: str, summary: "Summary", axes: tuple[str, ...]) -> None:
    click.echo(f"{config} is valid.\n")
    _row("source", summary.source)
    _row("sampling", summary.sampling)
    _arm("incumbent", summary.incumbent)
    for line in axes:
        _row("axes", line)
    for arm in summary.arms:
        _arm("arm", arm)
    if summary.engines is not None:
        _row("engines", summary.engines)
    _row("cost", summary.cost)
    for scorer in summary.scorers:
        _row("scorer", f"{scorer.name:14} {scorer.judges}{f', needs {scorer.needs}' if scorer.needs else ''}")
    for gate in summary.gates:
        hard = " (hard)" if gate.hard else ""
        _row("gate", f"{gate.id + hard:18} {gate.state:14} {gate.asks}")
        if gate.reason is not None:
            _row("", f"{'':18} {gate.reason}")
    _row("text", summary.text)
    _row("dead letters", summary.dead_letters)
    _row("ledger", summary.ledger)
    _row("pages", f"{summary.pages}, at most {summary.series:,} series in /metrics")
    click.echo()
    for note in summary.notes:
        click.echo(f"NOTE {note}")
    for fix in summary.fixes:
        click.echo(f"FIX  {fix}")
    still_open = ", ".join(gate.id for gate in summary.open_gates)
    if still_open:
        click.echo(f"NOTE no candidate can be promoted as long as these gates cannot be decided: {still_open}")


def _row(name: str, text: str) -> None:
    from shadow.cli.visible import visible

    click.echo(f"{name:{_WIDTH}} {visible(text)}".rstrip())


def _arm(name: str, arm: "ArmSummary") -> None:
    _row(name, f"{arm.name}: {arm.server}; price {arm.price}")
    if arm.variant:
        _row("", f"  variant: {', '.join(arm.variant)}")


def _write_lines(lines: "list[Line]") -> None:
    from shadow.cli.visible import visible

    if lines:
        click.echo()
    for line in lines:
        click.echo(f"{line.state:4} {visible(line.subject)}: {visible(line.text)}")


def _write_next(config: str, connect: bool, lines: "list[Line]") -> None:
    if any(line.state == "FIX" for line in lines):
        click.echo("\nnext:  mend what is marked FIX, then ask again")
    elif connect:
        click.echo(f"\nnext:  shadow plan -c {config}    shadow run -c {config}")
    else:
        click.echo(f"\nnext:  shadow check -c {config} --connect    shadow plan -c {config}")


def _as_json(config: str, summary: "Summary", lines: "list[Line] | None") -> dict[str, Any]:
    from dataclasses import asdict

    found: dict[str, Any] = {"config": config, "valid": True, **asdict(summary), "fixes": list(summary.fixes)}
    if lines is not None:
        found["connect"] = [asdict(line) for line in lines]
    return found


def _write_json(found: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(found))
