"""`shadow self-test`: how wrong our own latencies are on this machine."""

import sys

import click

_HELP = """How wrong Shadow's own TTFT and TPOT are on this machine, at a given number of parallel streams.

Streams answers with known delays from a simulator in another process and compares what the client reports with what was
configured. Run it where the replayer will run, with the load beside it that will be there: a late event loop, a busy
neighbour or too few cores show here before they show as a "slow" candidate.

\b
Examples:
  shadow self-test
  shadow self-test --streams 256 --seconds 10 --limit-ms 5
  shadow self-test --json

\b
Exit codes: 0 P1 and P99 of both errors lie within the limit, 1 they do not or an answer failed,
            3 the simulator does not start
"""


@click.command("self-test", help=_HELP)
@click.option("--streams", type=click.IntRange(1, 4096), default=64, show_default=True, help="Answers read at once.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=6.0, show_default=True, help="How long to measure.")
@click.option(
    "--limit-ms",
    type=click.FloatRange(0, min_open=True),
    default=20.0,
    show_default=True,
    help="Largest error accepted.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def command(streams: int, seconds: float, limit_ms: float, as_json: bool) -> None:
    """Measures, prints, exits."""
    import json
    from dataclasses import asdict

    import uvloop

    from shadow import selftest

    report = uvloop.run(selftest.measure(streams=streams, seconds=seconds))
    ok = report.within(limit_ms)
    if as_json:
        print(json.dumps({"method": selftest.METHOD, **asdict(report), "limit_ms": limit_ms, "ok": ok}))
        sys.exit(0 if ok else 1)
    print(f"method: {selftest.METHOD}\n")
    print(f"{report.answers} answers over {streams} streams in {seconds:g} s; {report.failures} failed")
    print(f"error in ms   {'P1':>8} {'P50':>8} {'P95':>8} {'P99':>8}")
    for name, errors in (("TTFT", report.ttft_ms), ("TPOT", report.tpot_ms)):
        if errors is None:
            print(f"{name:<11}   no answer arrived")
        else:
            print(f"{name:<11}   {errors.p1:8.3f} {errors.p50:8.3f} {errors.p95:8.3f} {errors.p99:8.3f}")
    print(
        f"event loop: at worst {report.worst_lag_ms:.1f} ms late; {report.saturated} answers would be kept out of latency "
        "verdicts (client_saturated)"
    )
    if ok:
        print(f"\nok: within {limit_ms:g} ms")
    elif report.failures or report.ttft_ms is None:
        print("\nnot ok: answers failed; is the machine out of memory, sockets or processes?")
    else:
        print(
            f"\nnot ok: above {limit_ms:g} ms. Use fewer streams per worker, more cores, or raise --limit-ms knowingly."
        )
    sys.exit(0 if ok else 1)
