"""`shadow score`: any scorer over cases from standard input."""

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click

_BATCH = 64
_THOUGHTS = re.compile(r"\A\s*<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)", re.S)
_LONE_END = re.compile(r"</think(?:ing)?>")


class BadLine(ValueError):
    """A line of input that is no case; the message never quotes it."""


class _Read(NamedTuple):
    """One line of input: a case, or what is wrong with it."""

    line: int
    case: Any
    problem: str | None


def _text(value: Any, what: str) -> str:
    """The text of an OpenAI `content`: a string, null or a list of parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [p.get("text", "") if isinstance(p, Mapping) else p for p in value]
        if all(isinstance(p, str) for p in parts):
            return "\n".join(parts)
    raise BadLine(f"{what} is neither text nor a list of text parts")


def _split_thoughts(text: str) -> tuple[str, str | None]:
    """A leading `<think>` block, or text before a lone `</think>`, is reasoning and no answer."""
    match = _THOUGHTS.match(text)
    if match is not None:
        return text[match.end() :].lstrip(), match[1]
    end = _LONE_END.search(text)
    if end is not None and "<think" not in text[: end.start()]:
        return text[end.end() :].lstrip(), text[: end.start()]
    return text, None


def _calls(value: Any) -> tuple[Any, ...]:
    from scorers.base import ToolCall

    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadLine("tool_calls is no list")
    found = []
    for call in value:
        inner = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
            raise BadLine("a tool call has no name")
        arguments = inner.get("arguments", {})
        if isinstance(arguments, str):
            with contextlib.suppress(ValueError, RecursionError):  # stays the raw string: scorers count it
                arguments = json.loads(arguments) if arguments.strip() else {}
        found.append(ToolCall(name=inner["name"], arguments=arguments))
    return tuple(found)


def reply_of(value: Any, what: str) -> Any:
    """A `Reply` out of a text, an assistant message, a list of messages (the last one) or a whole response."""
    from scorers.base import Reply

    finish = None
    if isinstance(value, Mapping) and isinstance(value.get("choices"), list) and value["choices"]:
        choice = value["choices"][0]
        if not isinstance(choice, Mapping):
            raise BadLine(f"{what} is no response")
        finish = choice.get("finish_reason") if isinstance(choice.get("finish_reason"), str) else None
        value = choice.get("message", {"content": choice.get("text")})
    if isinstance(value, list):
        value = value[-1] if value else None
    if value is None or isinstance(value, str):
        value = {"content": value}
    if not isinstance(value, Mapping):
        raise BadLine(f"{what} is neither text nor a message")
    text, thoughts = _split_thoughts(_text(value.get("content"), what))
    given = value.get("reasoning_content") or value.get("reasoning") or thoughts
    finish = value["finish_reason"] if isinstance(value.get("finish_reason"), str) else finish
    return Reply(
        text=text,
        tool_calls=_calls(value.get("tool_calls")),
        reasoning=given if isinstance(given, str) else None,
        refusal=value["refusal"] if isinstance(value.get("refusal"), str) and value["refusal"] else None,
        finish_reason=finish,
    )


def case_of(line: bytes) -> Any:
    """The `Case` of one line of JSON; BadLine says what is wrong."""
    from scorers.base import Case

    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadLine("not UTF-8") from None
    except (ValueError, RecursionError):
        raise BadLine("not JSON") from None
    if not isinstance(row, dict):
        raise BadLine("not a JSON object")
    if not isinstance(row.get("id"), (str, int)) or isinstance(row.get("id"), bool):
        raise BadLine('no "id"')
    if "candidate" not in row:
        raise BadLine('no "candidate"')
    prompt, messages = row.get("prompt"), row.get("messages") or []
    if isinstance(prompt, list):
        prompt, messages = None, messages or prompt
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise BadLine("messages is no list of objects")
    if prompt is None:
        asked = [m for m in messages if m.get("role") == "user"]
        prompt = _text(asked[-1].get("content"), "the last user message") if asked else ""
    schema, route, rubric, canary = (row.get(key) for key in ("schema", "route", "rubric", "canary"))
    if schema is not None and not isinstance(schema, dict):
        raise BadLine("schema is no object")
    incumbent = row.get("incumbent")
    return Case(
        id=str(row["id"]),
        prompt=_text(prompt, "prompt"),
        candidate=reply_of(row["candidate"], "candidate"),
        incumbent=None if incumbent is None else reply_of(incumbent, "incumbent"),
        messages=messages,
        route=route if isinstance(route, str) else None,
        expected=row.get("expected"),
        rubric=rubric if isinstance(rubric, str) else None,
        schema=schema,
        canary=canary if isinstance(canary, str) else None,
    )


def _read(lines: Any) -> Iterator[_Read]:
    for number, line in enumerate(lines):
        if line.strip():
            try:
                yield _Read(number, case_of(line), None)
            except BadLine as error:
                yield _Read(number, None, str(error))


def _options(values: tuple[str, ...], kinds: list[str]) -> dict[str, dict[str, Any]]:
    """Options per scorer kind out of `key=value` and `kind.key=value`; a value is JSON where it parses, else a text."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}
    for item in values:
        key, separator, raw = item.partition("=")
        if not separator or not key:
            raise click.UsageError(f"--option {item!r}: write key=value, or kind.key=value with several scorers")
        kind, dot, rest = key.partition(".")
        targets, key = ([kind], rest) if dot else (kinds, key)
        if dot and kind not in found:
            raise click.UsageError(f"--option {item!r}: {kind!r} is not among the scorers asked for")
        try:
            value = json.loads(raw)
        except ValueError:
            value = raw
        for target in targets:
            found[target][key] = value
    return found


def _row(case_id: str, scorer: str, result: Any) -> str:
    from scorers.base import ScorerFailure

    if isinstance(result, ScorerFailure):
        row: dict[str, Any] = {"value": None, "label": None, "reason": f"scorer failed: {result.kind}", "findings": []}
    else:
        found = [{"category": f.category, "count": f.count} for f in result.findings]
        row = {"value": result.value, "label": result.label, "reason": result.reason, "findings": found}
    return json.dumps({"id": case_id, "scorer": scorer, **row})


@click.command()
@click.option("--scorer", "wanted", metavar="KIND[,KIND]", help="Which scorers judge the cases, in this order.")
@click.option("--list", "show", is_flag=True, help="List every scorer with its kind and what it needs.")
@click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False),
    help="With --list: the scorers of this file, their shares and budgets.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the scorer; KIND.KEY=VALUE with several.",
)
def command(wanted: str | None, show: bool, config: str | None, options: tuple[str, ...]) -> None:
    """Score cases from standard input with any scorer, one JSON object a line.

    \b
    A case:   {"id": "1", "prompt": "Where is it?", "incumbent": "On Monday.", "candidate": "On Tuesday."}
    Answers are texts, assistant messages (with tool_calls), lists of messages, or whole responses. Optional:
    messages, expected, rubric, schema, route. Absolute scorers judge the candidate's answer alone: the incumbent
    may then be empty or absent.

    \b
    A result: {"id": "1", "scorer": "agreement", "value": 0.29, "label": "flagged", "reason": "...", "findings": [...]}
    One per case and scorer, in order. A case that a scorer cannot judge has value null and a reason.

    \b
    Example:  shadow score --scorer agreement,refusal < cases.jsonl
              shadow score --scorer regex --option 'pattern=^\\d+$' < cases.jsonl
              shadow score --list -c shadow.yaml

    \b
    Exit codes: 0 every line was read (unscored cases and failures of a scorer stand in the output)
                1 some lines are no cases: skipped, named on standard error by number (from 0) and reason
                2 wrong usage, unknown scorer or option, or one that cannot be built here
    """
    if config is not None and not show:
        raise click.UsageError("-c belongs to --list; cases are scored with --scorer and --option")
    if show:
        from shadow.cli.scorer_list import configured, known

        for line in known() if config is None else configured(config):
            click.echo(line)
        return
    kinds = [kind.strip() for kind in (wanted or "").split(",") if kind.strip()]
    if not kinds:
        raise click.UsageError("say which: --scorer KIND[,KIND], or --list")
    from scorers.registry import UnknownScorer, build
    from scorers.running import run_scorer

    settings = _options(options, kinds)
    scorers = []
    for kind in kinds:
        try:
            scorers.append(build(kind, settings[kind]))
        except UnknownScorer as error:
            raise click.UsageError(str(error)) from None
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise click.UsageError(f"scorer {kind} cannot be built here: {error}") from None
    bad = 0
    batch: list[Any] = []

    def flush() -> None:
        columns = [run_scorer(scorer, batch) for scorer in scorers]
        for i, case in enumerate(batch):
            for scorer, column in zip(scorers, columns, strict=True):
                click.echo(_row(case.id, scorer.name, column[i]))
        batch.clear()

    for item in _read(sys.stdin.buffer):
        if item.problem is not None:
            bad += 1
            click.echo(f"line {item.line}: {item.problem}", err=True)
            continue
        batch.append(item.case)
        if len(batch) >= _BATCH:
            flush()
    if batch:
        flush()
    if bad:
        sys.exit(1)
