"""`shadow simulate`: an OpenAI-compatible server with set delays and faults."""

import asyncio
import signal
from typing import Any

import click

_HELP = """An OpenAI-compatible server with set delays and faults, for tests and demos: no model, no GPU.

Serves /v1/chat/completions and /v1/completions (streamed or not), /v1/models, /health and /metrics (shaped like vLLM's).
The answer to a prompt nobody recorded is made up, always the same for the same seed.

\b
Examples:
  shadow simulate --port 8001 --ttft-ms 80 --itl-ms 15
  shadow simulate --answers recorded.jsonl --port 8001       {"prompt": "...", "answer": "..."} a line
  shadow simulate --fail-rate 0.01 --fault hang:0.005 --fault close_mid_stream:0.01
  curl -d '{"faults": {"http_503": 1}}' http://127.0.0.1:8001/control      while it runs

\b
Faults: http_500 http_429 http_503 http_400 context_length out_of_memory hang close close_mid_stream garbage empty
        huge slow error_in_200 no_done
A prompt meets its fault every time (the same for the same seed); with --fail-attempts N it works after N attempts.
POST /control takes every option below under its JSON name (ttft_ms, faults, max_inflight, ...) and also huge_bytes,
hang_seconds, ready, system_fingerprint and load {running, waiting, kv_cache_usage_ratio}; GET shows them with statistics.

A prompt's key in --answers is the text of the last user message, byte for byte. max_tokens cuts recorded and made-up answers
after so many words, with finish_reason length, as a real server would; without it an answer is whole.

\b
Exit codes: 0 stopped by SIGTERM or SIGINT, 2 wrong options or answers file, 3 the address cannot be used.
"""


def _faults(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    from shadow.simulator.behaviour import FAULT_KINDS

    found: dict[str, float] = {}
    for value in values:
        kind, _colon, rate = value.partition(":")
        if kind not in FAULT_KINDS:
            raise click.BadParameter(f"{kind!r} is no fault; known: {', '.join(FAULT_KINDS)}")
        try:
            found[kind] = found.get(kind, 0.0) + float(rate or "1")
        except ValueError:
            raise click.BadParameter(f"{value!r}: write KIND:RATE, such as {kind}:0.05") from None
    return found


@click.command(help=_HELP)
@click.option("--answers", type=click.Path(dir_okay=False), help="JSONL file of recorded answers.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; /control stays local.")
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0 takes a free one.")
@click.option("--model", "models", multiple=True, help="Served model name; others get 404. Without it any name works.")
@click.option(
    "--ttft-ms", type=click.FloatRange(0), default=20.0, show_default=True, help="Delay until the first token."
)
@click.option("--itl-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="Delay between tokens.")
@click.option(
    "--load-ms",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Added to it for each other request in flight, of any model: a shared GPU.",
)
@click.option(
    "--latency-jitter", type=click.FloatRange(0, 3), default=0.0, show_default=True, help="Log-normal sigma of delays."
)
@click.option(
    "--tokens", type=click.IntRange(1, 1_000_000), default=32, show_default=True, help="Made-up answer length."
)
@click.option("--fail-rate", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share that gets a 500.")
@click.option("--fault", "faults", multiple=True, callback=_faults, metavar="KIND:RATE", help="A fault and its share.")
@click.option(
    "--fail-attempts", type=click.IntRange(0), default=0, help="A fault passes after so many attempts; 0: never."
)
@click.option("--slow-factor", type=click.FloatRange(1), default=10.0, show_default=True, help="For the fault slow.")
@click.option("--max-inflight", type=click.IntRange(1), help="Requests answered at once; more wait.")
@click.option("--max-queue", type=click.IntRange(0), help="Requests that may wait; more get 503.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of answers, faults and jitter.")
@click.option("--early-headers", is_flag=True, help="Send a stream's headers at once, not with the first token.")
@click.option("--timestamps", is_flag=True, help='Add "t", the monotonic nanoseconds of writing, to every chunk.')
def command(
    answers: str | None, host: str, port: int, models: tuple[str, ...], fail_rate: float, **switches: Any
) -> None:
    """Runs until SIGTERM or SIGINT."""
    import uvloop

    from shadow.simulator.answers import Answers
    from shadow.simulator.behaviour import behaviour
    from shadow.simulator.server import Simulator

    faults: dict[str, float] = switches.pop("faults")
    if fail_rate:
        faults["http_500"] = faults.get("http_500", 0.0) + fail_rate
    try:
        switched = behaviour({**switches, "faults": faults})
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    recorded = Answers.read(answers) if answers else Answers()
    if answers:
        again = f" ({recorded.repeated} lines repeat a prompt, the last one counts)" if recorded.repeated else ""
        click.echo(f"simulator: {len(recorded)} recorded answers{again}", err=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Simulator(switched, recorded, models), host, port))


async def _serve(simulator: Any, host: str, port: int) -> None:
    from shadow.errors import UnreachableError

    try:
        bound = await simulator.start(host, port)
    except OSError as error:
        raise UnreachableError(
            f"simulator: cannot listen on {host}:{port} ({error.strerror or error}); choose another --port, or 0 for a free one"
        ) from None
    click.echo(f"http://{f'[{host}]' if ':' in host else host}:{bound}/v1")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    await simulator.stop()
