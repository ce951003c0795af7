"""`shadow judge`: the verdict over paired outcomes from a JSONL file made anywhere."""

import sys
from typing import TYPE_CHECKING, Any

import click

from shadow.errors import ConfigurationError, ShadowError

if TYPE_CHECKING:
    from shadow.cli.looks import Judging
    from shadow.cli.paired import PairedFile
    from shadow.settings import Policy
    from shadow.verdict.result import Verdict
    from shadow.verdict.segments import SegmentResult

EXIT_CODES = {"promote": 0, "reject": 1, "hold": 2}

_HELP = """The verdict over paired outcomes from FILE: may the candidate replace the incumbent?

One JSON object per line and independent unit, in the order in which they happened, candidate first in every pair; every
key is optional, null is unknown:

\b
  {"session": "s1", "segment": "de", "weight": 1, "ts": "2026-11-23T10:00:00Z",
   "score": [0.91, 0.93], "violation": [0, 0], "failure": [0, 0],
   "latency_seconds": [0.8, 1.1], "cost_usd": [0.001, 0.003], "tokens": [120, 130]}

Of a session the first line counts: turns of one conversation are no independent evidence. A weight is a power of two: how
many requests a line stands for. Scores are compared as they stand, latencies as like with like. The policy's gates are
answered from the evidence at every look; looking often does not raise the error rates. Without `ts` policy.min_duration
does not apply. Every failure counts by itself: leave out the calls of an outage but the first.

Segments are asked about as the sidecar asks: every gate that compares, corrected for their number. With --comparative the
score is one that measures change, and the second of a pair is the incumbent's own when it is asked again: routes (segments
called route=NAME) are classified by it, and open-ended ones do not count for quality.

\b
Examples:
  shadow judge pairs.jsonl -c shadow.yaml
  shadow judge pairs.jsonl --policy policy.yaml --look-every 250 --json
  shadow judge pairs.jsonl -c shadow.yaml --markdown > comment.md

\b
Exit codes: 0 promote, 1 reject, 2 hold, 3 error. With --look-every: that of the first look that was not hold, unless a
later look rejects.
"""


class WrongOptions(click.UsageError):
    """A usage error with exit code 3."""

    exit_code = 3


class VerdictCommand(click.Command):
    """A command whose exit code 2 means hold, so that wrong options have to be 3."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does, with exit code 3 for a usage error."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise WrongOptions(error.format_message(), error.ctx) from None


@click.command(cls=VerdictCommand, help=_HELP)
@click.argument("file", type=click.Path())
@click.option("-c", "--config", type=click.Path(), help="Configuration whose `policy` is applied.")
@click.option("--policy", "policy_file", type=click.Path(), help="YAML file that holds a `policy:`; goes before -c.")
@click.option("--candidate", help="Name of the candidate in the output; absent: the configuration's first.")
@click.option("--look-every", type=click.IntRange(1), help="Look after every N records, and latch what was crossed.")
@click.option(
    "--comparative",
    is_flag=True,
    help="Scores measure change against the incumbent; the second is its own, asked again.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line per look and a last one with every gate.")
@click.option("--markdown", "as_markdown", is_flag=True, help="As a comment for a pull request.")
def command(
    file: str,
    config: str | None,
    policy_file: str | None,
    candidate: str | None,
    look_every: int | None,
    comparative: bool,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Reads, looks, prints, exits with the verdict."""
    from shadow.cli.looks import Judging
    from shadow.cli.paired import read_pairs
    from shadow.verdict import lines, table

    policy, name = _policy(config, policy_file)
    pairs = read_pairs(file)
    _say(pairs)
    last: Verdict | None = None
    first: Verdict | None = None
    rejected = False
    judging = Judging(policy, pairs, candidate or name, comparative=comparative)
    for verdict, final in judging.looks(look_every):
        if verdict.word != "hold" and first is None:
            first = verdict
        rejected |= verdict.word == "reject"
        last = verdict
        if as_json and look_every is not None and not (final and verdict.n % look_every):
            click.echo(lines.as_json(lines.look_line(verdict)))
    if last is None:
        raise ShadowError(f"{file}: holds no line to judge")
    if as_json:
        click.echo(lines.as_json(_last_line(last, first, judging)))
    elif as_markdown:
        click.echo(table.markdown(last, policy, judging.calibration), nl=False)
    else:
        _print(last, first, policy, judging, look_every)
    code = EXIT_CODES["reject" if rejected else (first.word if first is not None else "hold")]
    sys.exit(code)


def _policy(config: str | None, policy_file: str | None) -> "tuple[Policy, str]":
    """The policy and the candidate's name. Whatever is wrong with them is exit code 3 here."""
    from shadow.configuration import load, load_policy
    from shadow.settings import Policy
    from shadow.verdict.policy import problems

    policy, name = Policy.model_validate({}), "candidate"
    try:
        if config is not None:
            settings = load(config)
            policy, name = settings.policy, settings.candidates[0].name
        if policy_file is not None:
            policy = load_policy(policy_file)
    except ConfigurationError as error:
        raise ShadowError("\n".join(error.problems)) from None
    found = problems(policy)
    if found:
        raise ShadowError("\n".join(f"{policy_file or config or 'policy'}: {message}" for message in found))
    return policy, name


def _say(pairs: "PairedFile") -> None:
    """What was not counted, on standard error: never silent."""
    if pairs.repeated:
        click.echo(f"{pairs.repeated:,} lines were further turns of a session and are not counted.", err=True)
    if pairs.ignored:
        from shadow.cli.paired import FIELDS

        click.echo(f"keys that mean nothing here: {', '.join(pairs.ignored)} (known: {', '.join(FIELDS)})", err=True)


def _last_line(verdict: "Verdict", first: "Verdict | None", judging: "Judging") -> dict[str, Any]:
    from shadow.cli.looks import segment_object
    from shadow.verdict.lines import last_line

    decided = None if first is None else {"n": first.n, "verdict": first.word}
    line = last_line(verdict, decided, judging.calibration)
    return line | {"segments": [segment_object(s) for s in judging.segments]} if judging.segments else line


def _print(
    verdict: "Verdict", first: "Verdict | None", policy: "Policy", judging: "Judging", look_every: int | None
) -> None:
    from rich.console import Console

    from shadow.verdict.table import render

    console = Console(highlight=False, soft_wrap=False)
    console.print(render(verdict, policy, judging.calibration))
    for segment in judging.segments[:20]:
        console.print(f"  segment {_segment(segment)}", markup=False)
    if look_every is not None:
        decided = "no look was decided" if first is None else f"first decided after {first.n:,} records: {first.word}"
        console.print(f"looks every {look_every:,} records: {decided}", markup=False)


def _segment(result: "SegmentResult") -> str:
    from shadow.verdict import words

    state = {"worse": "worse", "not_worse": "not worse", "insufficient": "not enough evidence"}[result.state]
    gate = result.gate
    shown = (
        "" if gate is None else f", {gate.id} {words.value(gate, gate.point)} (limit {words.value(gate, gate.limit)})"
    )
    return f"{result.segment}: {state}{shown}, n {result.n:,}"
