"""`shadow plan`: how long until each gate is decided, before any GPU is spent."""

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shadow.app.expecting import Truth
    from shadow.app.planning import GatePlan, Plan, Traffic
    from shadow.settings import Settings

_NAMED = ("violation", "failure", "tail", "slow", "score_sd", "log_sd", "same")
ASSUMED = (*_NAMED, "turns")
_DAYS = (1, 7, 30)


def _read_assumptions(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """NAME=VALUE, checked; the last of a name counts."""
    return dict(_assumption(value, option) for value in values)


def _assumption(value: str, option: click.Parameter) -> tuple[str, float]:
    key, _, text = value.partition("=")
    if key not in ASSUMED:
        raise click.BadParameter(f"{key!r} is not assumed; there are {', '.join(ASSUMED)}", param=option)
    try:
        number = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number; write for example {key}=0.01", param=option) from None
    lowest, highest = (1.0, 1e6) if key == "turns" else (0.0, 1e3 if key == "log_sd" else 1.0)
    if not lowest <= number <= highest or (number == 0 and key in ("score_sd", "log_sd")):
        room = "above 0" if key in ("score_sd", "log_sd") else "of at least 1" if key == "turns" else "between 0 and 1"
        raise click.BadParameter(f"{key} has to be a number {room}", param=option)
    return key, number


@click.command(
    short_help="How many requests and days until each gate can be decided.",
    epilog="Exit codes: 0 planned, 2 configuration or options invalid, 3 the broker does not answer (--from-topic).",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration.")
@click.option("--records-per-day", type=click.FloatRange(0, min_open=True), help="Mirrored records a day in the topic.")
@click.option("--from-topic", is_flag=True, help="Ask the broker how many records came in the last 24 hours.")
@click.option(
    "--assume",
    "assumed",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_read_assumptions,
    help=f"Another assumption than the default; NAME is one of {', '.join(ASSUMED)}. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for scripts.")
def command(
    config: str, records_per_day: float | None, from_topic: bool, assumed: dict[str, float], as_json: bool
) -> None:
    """Say how many records and days each gate needs, and how small a difference will be seen after 1, 7 and 30 days.

    The traffic comes from the ledger where there is one, else from --records-per-day or --from-topic; without any of them
    the table counts records only. What nobody has measured is assumed, and said. Nothing is asked of any model.

    \b
    Examples:  shadow plan -c shadow.yaml --records-per-day 200000
               shadow plan -c shadow.yaml --assume violation=0.001 --assume turns=4
    """
    from shadow.app.checking import validated
    from shadow.app.planning import plan

    settings = validated(config).settings
    truth, traffic, sources = _known(config, settings, dict(assumed), records_per_day, from_topic)
    found = plan(settings, truth, traffic, sources)
    if as_json:
        _write_json(found)
    else:
        _write_table(found, config, settings)


def _known(
    config: str, settings: "Settings", chosen: dict[str, float], records_per_day: float | None, from_topic: bool
) -> "tuple[Truth, Traffic, list[str]]":
    """What the traffic looks like, how much of it there is, and where that is from."""
    from dataclasses import replace

    from shadow.app.checking import scorer_kinds
    from shadow.app.expecting import Truth
    from shadow.app.planning import Traffic, traffic_of, truth_from
    from shadow.app.recent import Recent, from_ledger
    from shadow.app.recent import from_topic as read_topic
    from shadow.cli.opening import opened
    from shadow.errors import ShadowError
    from shadow.settings import KafkaSource
    from shadow.stats import FoldSpec

    turns = chosen.pop("turns", 1.0)
    spec = FoldSpec.from_policy(settings.policy, scorer_kinds(settings))
    recent, sources = Recent(), []
    try:
        with opened(config) as (_, ledger), ledger.snapshot() as reader:
            recent = from_ledger(reader, settings, spec)
    except ShadowError as error:
        sources.append(f"no ledger to learn from ({error})")
    truth, measured = truth_from(recent.pairs, spec, Truth())
    taken = Truth(**{n: chosen.get(n, getattr(truth, n)) for n in _NAMED})
    taken = replace(taken, apart=_kept(truth, chosen))
    sources += measured or [_defaults(taken)]
    if chosen:
        sources.append(f"given with --assume: {', '.join(f'{k} {v:g}' for k, v in chosen.items())}")
    if records_per_day is not None:
        return taken, traffic_of(settings, records_per_day, turns, "given"), sources
    if from_topic and isinstance(settings.source, KafkaSource):
        per_day = read_topic(settings.source)
        if per_day is not None:
            return taken, traffic_of(settings, per_day, turns, "in the topic lately"), sources
        sources.append(f"the topic {settings.source.topic} is empty or does not exist")
    if recent.units_per_day is not None and isinstance(settings.source, KafkaSource):
        said = f"the ledger: {recent.units_per_day:,.0f} units a day counted for {recent.candidate} lately"
        return taken, Traffic(units_per_day=recent.units_per_day, words=said), sources
    return taken, Traffic(units_per_day=None, words="unknown; give --records-per-day or --from-topic for days"), sources


def _kept(truth: "Truth", chosen: dict[str, float]) -> dict[str, float]:
    """Measured shares of pairs that differ, without those that an assumption replaces."""
    if "same" in chosen:
        return {}
    return {k: v for k, v in truth.apart.items() if ("tail" if k.startswith("score<") else k) not in chosen}


def _defaults(truth: "Truth") -> str:
    from shadow.verdict.words import percent

    return (
        f"assumed: unsafe {percent(truth.violation)}, failed {percent(truth.failure)}, poor {percent(truth.tail)} and slow "
        f"{percent(truth.slow)} of the answers, {percent(truth.same)} of the answers alike, score differences with a standard "
        f"deviation of {truth.score_sd:g}, log-normal latency with {truth.log_sd:g}"
    )


def _write_json(found: "Plan") -> None:
    import json
    from dataclasses import asdict

    def finite(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, dict):
            return {str(k): finite(v) for k, v in value.items()}
        return [finite(v) for v in value] if isinstance(value, (list, tuple)) else value

    click.echo(json.dumps(finite({**asdict(found), "records": found.records})))


def _write_table(found: "Plan", config: str, settings: "Settings") -> None:
    from rich import box
    from rich.table import Table

    from shadow.cli.visible import console as make_console

    console = make_console()
    per_day = found.traffic.units_per_day
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = ["gate", "asks", "proven when equal", "rejected when twice as bad"]
    for name in (*columns, *([f"seen after {d} d" for d in _DAYS] if per_day else [])):
        table.add_column(name, justify="left" if name in ("gate", "asks") else "right")
    for gate in found.gates:
        if gate.blocked is not None:
            table.add_row(gate.id, gate.asks, "cannot be decided", "")
            continue
        cells = [_amount(gate.equal_records, gate.equal_days), _amount(gate.worse_records, gate.worse_days)]
        table.add_row(gate.id, gate.asks, *cells, *(_seen(gate, d) for d in _DAYS if per_day))
    console.print(f"traffic: {found.traffic.words}")
    console.print(table)
    for gate in found.gates:
        if gate.blocked is not None:
            console.print(f"{gate.id}: {gate.blocked}", soft_wrap=True)
    for line in found.assumptions:
        console.print(f"- {line}", soft_wrap=True)
    least = settings.policy.min_duration
    if math.isfinite(found.records):
        days = "" if not per_day else f", {_span(found.records / per_day)}"
        duration = f", and never before {_span(least / 86400)} of traffic" if least else ""
        console.print(f"\nAll gates that can be decided: {found.records:,.0f} records{days}{duration}.", soft_wrap=True)
    console.print(found.advice, soft_wrap=True)
    console.print(f"next: shadow check -c {config} --connect    shadow run -c {config}", soft_wrap=True)


def _amount(records: float, days: float | None) -> str:
    if math.isinf(records):
        return "never"
    return f"{records:,.0f}" + ("" if days is None else f" ({_span(days)})")


def _span(days: float) -> str:
    if days * 24 * 60 < 90:
        return f"{max(1, round(days * 24 * 60))} min"
    return f"{days * 24:.0f} h" if days < 3 else f"{days:,.0f} d"


def _seen(gate: "GatePlan", day: int) -> str:
    value = gate.smallest.get(day)
    if value is None:
        return "nothing"
    if gate.unit == "points":
        return f"{100 * value:.2g} points"
    if gate.unit == "score":
        return f"{value:.2g}"
    if gate.unit == "ratio":
        return f"{value:.3g}x"
    return f"{100 * value:.2g} %"
