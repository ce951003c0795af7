"""`shadow decode`: what Shadow reads in your records."""

import sys
from typing import BinaryIO

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["record", "sse", "response"]),
    default="record",
    show_default=True,
    help="what each line is: a record of the topic, the body of an event stream, or {status, headers, body | body_base64}",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", "native", "openai", "litellm", "otlp", "gateway"]),
    default="auto",
    show_default=True,
    help="the format of records",
)
@click.option(
    "--base64", "encoded", is_flag=True, help="each line is base64: for binary values, streams and line breaks"
)
@click.option(
    "--max-output-tokens",
    type=click.IntRange(min=1),
    default=2048,
    show_default=True,
    help="the output limit sent where the caller set none",
)
def command(file: BinaryIO, kind: str, format_: str, encoded: bool, max_output_tokens: int) -> None:
    """What Shadow reads in your records: one JSON line out per line in, before anything is sent anywhere.

    Reads FILE or standard input. Each output line has `line` (from 0), `reason` (why the record cannot be read, or null)
    and `calls`: what was asked and answered, whether it can be replayed and compared, why not, and in `send` the body that
    would travel to every candidate.

    \b
    Examples:
      shadow decode mirror.jsonl
      kcat -C -b localhost:9092 -t llm.mirror -c 10 -e | shadow decode
      base64 -w0 answer.sse | shadow decode --as sse --base64

    Exit code: 0 whatever the input; 2 for a wrong option.
    """
    from shadow.cli.decode_lines import report

    out = sys.stdout
    for number, line in enumerate(file):
        raw = line[:-1] if line.endswith(b"\n") else line
        out.write(report(number, raw, kind=kind, format=format_, encoded=encoded, max_output_tokens=max_output_tokens))
        out.write("\n")
