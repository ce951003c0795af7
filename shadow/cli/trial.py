"""`shadow trial`: does the shadow load harm the incumbent?"""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shadow.app.trialling import Trial
    from shadow.stats.trial import Block, Finding

EXIT = {"harmless": 0, "harmful": 1, "undecided": 2}


@click.command(
    short_help="Does shadow load slow the incumbent down? On and off in random blocks.",
    epilog="Exit codes: 0 harmless (the whole interval within the limit), 1 harmful (the whole interval beyond it), "
    "2 undecided or wrong options, 3 nothing runs, or the incumbent cannot be measured.",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration that runs.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=20.0, show_default=True, help="How long.")
@click.option(
    "--block-seconds", type=click.FloatRange(2, 3600), default=30.0, show_default=True, help="Length of one block."
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(1, 600),
    default=5.0,
    show_default=True,
    help="Left out at the beginning of each block: what was asked before has to leave first.",
)
@click.option(
    "--limit-percent",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="A change up to this is taken for harmless.",
)
@click.option(
    "--quantile", type=click.FloatRange(0.01, 0.9999), default=0.99, show_default=True, help="Which quantile."
)
@click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of the interval.")
@click.option("--seed", type=int, help="Of the lot that orders the blocks; absent: a new one, which is shown.")
@click.option(
    "--probe", is_flag=True, help="Measure by short requests to the server of `baseline`, not by its metrics."
)
@click.option(
    "--probes-per-second", type=click.FloatRange(0.1, 100), default=5.0, show_default=True, help="With --probe."
)
@click.option("--metrics-url", metavar="URL", help="The incumbent's metrics page; absent: as the governor finds it.")
@click.option("--model", metavar="NAME", help="The incumbent's name on that page, where it shows several models.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, blocks included.")
def command(config: str, minutes: float, as_json: bool, probe: bool, seed: int | None, **options: Any) -> None:
    """Switch the load of a running `shadow run` on and off in blocks of random order, and compare the incumbent's latency.

    Two blocks, one with load and one without, make a pair; their order is drawn by lot. Measured is the quantile (P99) of
    the incumbent's time to first token in each block, by its own vLLM histogram or by probes. The interval inverts the
    signed-rank test over pairs: valid for any distribution of latencies, if load multiplies the quantile by one factor.

    The shadow asks nobody in blocks without load: those records end as `paused` and are no evidence. When a trial dies, load
    is on again within 15 seconds.

    \b
    Examples:  shadow trial -c shadow.yaml --minutes 20
               shadow trial -c shadow.yaml --minutes 60 --probe --limit-percent 5 --json
    """
    import secrets
    import sys

    from shadow.app.checking import validated
    from shadow.app.trialling import Trial

    settings = validated(config).settings
    trial = Trial(
        pairs=int(minutes * 60 // (2 * options["block_seconds"])),
        block_seconds=options["block_seconds"],
        settle_seconds=options["settle_seconds"],
        quantile=options["quantile"],
        level=options["level"],
        limit=options["limit_percent"] / 100,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        probes_per_second=options["probes_per_second"] if probe else None,
        metrics_url=options["metrics_url"],
        model=options["model"],
    )
    _refuse_too_short(trial)
    finding, blocks = _run(config, settings, trial)
    if as_json:
        _write_json(trial, finding, blocks)
    else:
        _write(trial, finding)
    sys.exit(EXIT[finding.verdict])


def _refuse_too_short(trial: "Trial") -> None:
    from shadow.stats.trial import pairs_needed

    if trial.block_seconds < trial.settle_seconds + 1:
        raise click.UsageError("--block-seconds has to be at least a second longer than --settle-seconds")
    needed = pairs_needed(trial.level)
    if trial.pairs < needed:
        least = needed * 2 * trial.block_seconds / 60
        raise click.UsageError(
            f"{trial.pairs} pairs of blocks cannot give an interval of level {trial.level:g}: at least {needed} can, which take "
            f"--minutes {least:g}"
        )


def _run(config: str, settings: Any, trial: "Trial") -> "tuple[Finding, list[Block]]":
    import asyncio
    import signal

    from shadow.app.trialling import run_trial
    from shadow.cli.opening import opened

    many = 2 * trial.pairs
    minutes = many * trial.block_seconds / 60
    click.echo(f"{many} blocks of {trial.block_seconds:g} s, {minutes:.1f} min; seed {trial.seed}", err=True)

    def say(number: int, block: "Block") -> None:
        value = None if block.latency is None else block.latency.quantile(trial.quantile)
        shown = "not measured" if value is None else f"{1000 * value:.1f} ms"
        requests = 0 if block.latency is None else block.latency.n
        load = "on " if block.on else "off"
        calls = "unknown" if block.calls is None else block.calls
        click.echo(
            f"{number + 1:3}/{many} load {load}  P{100 * trial.quantile:g} {shown}  {requests} requests, {calls} shadow calls",
            err=True,
        )

    async def run() -> "tuple[Finding, list[Block]]":
        loop, job = asyncio.get_running_loop(), asyncio.current_task()
        if job is not None:
            loop.add_signal_handler(signal.SIGTERM, job.cancel)
        return await run_trial(settings, ledger, trial, say)

    with opened(config, read_only=False) as (_, ledger):
        try:
            return asyncio.run(run())
        except (asyncio.CancelledError, KeyboardInterrupt):
            click.echo("stopped: shadow load is on again; a part of a trial shows nothing", err=True)
            raise click.exceptions.Exit(2) from None


def _write(trial: "Trial", finding: "Finding") -> None:
    from rich import box
    from rich.table import Table

    from shadow.cli.visible import console as make_console

    console = make_console()
    name = f"P{100 * finding.quantile:g} TTFT"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", name, "incumbent's requests", "shadow calls"):
        table.add_column(column, justify="right" if column else "left")
    for label, seconds, requests, calls in (
        ("load off", finding.without_load_seconds, finding.requests_without, finding.calls_without),
        ("load on", finding.with_load_seconds, finding.requests_with, finding.calls_with),
    ):
        shown = "no data" if seconds is None else f"{1000 * seconds:.1f} ms"
        table.add_row(label, shown, f"{requests:,}", "unknown" if calls is None else f"{calls:,}")
    console.print(table)
    change = finding.change
    if change is not None:
        console.print(
            f"change of {name} by shadow load: {change.point:+.1%}, {100 * change.level:.1f} % interval {change.lower:+.1%} .. "
            f"{change.upper:+.1%}, from {change.pairs} pairs",
            soft_wrap=True,
        )
    if finding.pairs_dropped:
        console.print(f"{finding.pairs_dropped} pairs could not be measured and are left out", soft_wrap=True)
    for note in finding.notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"{finding.verdict}: {finding.why}", soft_wrap=True)


def _write_json(trial: "Trial", finding: "Finding", blocks: "list[Block]") -> None:
    import json
    from dataclasses import asdict

    rows = [
        {
            "pair": b.pair,
            "on": b.on,
            "seconds": b.seconds,
            "quantile_seconds": None if b.latency is None else b.latency.quantile(trial.quantile),
            "requests": None if b.latency is None else b.latency.n,
            "shadow_calls": b.calls,
            "paused": b.paused,
        }
        for b in blocks
    ]
    click.echo(json.dumps({**asdict(finding), "seed": trial.seed, "blocks": rows}))
