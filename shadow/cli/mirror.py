"""`shadow mirror`: a JSONL file of envelopes into the configured topic."""

from typing import BinaryIO

import click

_HELP = """Sends a JSONL file of envelopes into the configured Kafka topic, as a gateway that mirrors traffic would.

The topic is created when it is not there; an existing one keeps its partitions. The key of a record is its session, else
its id, so that a conversation stays in order. A `traceparent` in an envelope becomes the record's header. Lines that are not
JSON objects are sent as they are: Shadow's dead letters show them. FILE may be - for standard input.

\b
Examples:
  shadow mirror traffic.jsonl -c shadow.yaml
  shadow mirror traffic.jsonl -c shadow.yaml --partitions 8 --rate 40

\b
Exit codes: 0 every line is in the topic, 1 the broker refused some (such as too large ones),
            2 wrong options or configuration, 3 the broker cannot be reached.
"""


@click.command(help=_HELP)
@click.argument("file", type=click.File("rb"), metavar="FILE")
@click.option("-c", "--config", "path", required=True, type=click.Path(), help="The configuration file.")
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Of a topic that is made. [default: 4]")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Records a second; without it as fast as possible."
)
def command(file: BinaryIO, path: str, partitions: int | None, rate: float | None) -> None:
    """Sends the file."""
    import logging
    import sys

    from shadow.configuration import load_document
    from shadow.errors import ConfigurationError
    from shadow.settings import KafkaSource
    from shadow.sources.mirroring import mirror

    document = load_document(path)
    source = document.settings.source
    if not isinstance(source, KafkaSource):
        raise ConfigurationError([document.problem(("source", "kind"), "mirror sends to Kafka; set `kind: kafka`")])
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the one message below says it better
    done = mirror(file, source, partitions=partitions, rate=rate, report=lambda text: click.echo(text, err=True))
    odd = f", {done.malformed} of them malformed" if done.malformed else ""
    refused = f", {done.refused} refused" if done.refused else ""
    click.echo(
        f"mirror: {done.sent} records{odd}{refused} to topic {source.topic} ({done.partitions} partitions) "
        f"in {done.seconds:.1f} s",
        err=True,
    )
    if done.refused:
        sys.exit(1)
