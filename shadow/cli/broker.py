"""`shadow broker`: the embedded Kafka-protocol broker, for tests and demos."""

import asyncio
import signal
from typing import Any

import click

_HELP = """An embedded, single-node broker that speaks the Kafka protocol, for tests and demos. NOT FOR PRODUCTION.

Prints its address and runs until SIGTERM or SIGINT. Topics are made on first use by clients that allow it. All records
together take at most --retention-bytes; then the oldest are dropped and the log start moves.

\b
Examples:
  shadow broker                                      on a free port, in memory
  shadow broker --port 19092 --topic llm.mirror:8 --data-dir broker-data      survives kill -9

\b
Exit codes: 0 stopped by a signal, 2 wrong options, 3 address or folder cannot be used.
"""


def _topics(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, int | None]:
    from shadow.demo.broker.topics import legal

    topics: dict[str, int | None] = {}
    for value in values:
        name, _colon, count = value.partition(":")
        if not legal(name):
            raise click.BadParameter(f"{name!r} is no topic name: letters, digits, dot, underscore and dash only")
        if count and not (count.isdecimal() and 0 < int(count) <= 10_000):
            raise click.BadParameter(f"{value!r}: write NAME:PARTITIONS, such as {name}:4")
        topics[name] = int(count) if count else None
    return topics


@click.command(help=_HELP)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no access control."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Keep topics and offsets in this folder.")
@click.option(
    "--topic", "topics", multiple=True, callback=_topics, metavar="NAME[:PARTITIONS]", help="Make it at start."
)
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Of topics made on first use."
)
@click.option(
    "--retention-bytes",
    type=click.IntRange(2**20),
    default=2**28,
    show_default=True,
    help="Most that records may take.",
)
def command(topics: dict[str, int | None], **options: Any) -> None:
    """Runs until a signal."""
    import uvloop

    from shadow.demo.broker.server import Broker

    click.echo("broker: for tests and demos only: one node, no access control, not for production", err=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Broker(**options), topics))


async def _serve(broker: Any, topics: dict[str, int | None]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await broker.start()
        for name, partitions in topics.items():
            broker.create(name, partitions)
        click.echo(broker.bootstrap)
        await stopping.wait()
    finally:
        await broker.stop()
