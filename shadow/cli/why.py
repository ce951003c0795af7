"""`shadow why`: what became of one request."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from shadow.ledger.base import Explanation, OutcomeRow
    from shadow.ledger.sql import SqlLedger


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False), help="The configuration file.")
@click.option("--text", "with_text", is_flag=True, help="Show the stored texts too, redacted as they were kept.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per record that carries the id.")
@click.pass_context
def command(context: click.Context, request_id: str, config: str, with_text: bool, as_json: bool) -> None:
    """What became of one request: disposition, arms, failures, scores with reasons.

    ID is the envelope's `id` (the call's id of the gateway). Records that sampling left out are only counted, so their
    ids are unknown here.

    \b
    Example:     shadow why req-1 -c shadow.yaml
                 shadow why req-1 -c shadow.yaml --text
    Exit codes:  0 found, 1 unknown id, 2 invalid configuration, 3 no ledger or no answer
    """
    from shadow.cli.opening import opened
    from shadow.cli.visible import visible

    with opened(config) as (_, ledger):
        found = ledger.explain(request_id)
        if not found:
            click.echo(
                f"{visible(request_id, limit=200)}: this id is not in the ledger. It was not read yet, sampling left it out "
                f"(`shadow coverage -c {config}` counts those), it was forgotten, or it is past ledger.outcome_days.",
                err=True,
            )
            context.exit(1)
        for explanation in found:
            texts = _texts(ledger, explanation) if with_text else {}
            if as_json:
                _write_json(explanation, texts)
            else:
                _write(explanation, texts)


def _texts(ledger: "SqlLedger", explanation: "Explanation") -> dict[int, dict[str, str]]:
    """Stored texts by call and arm."""
    calls = sorted({row.call for row in explanation.outcomes})
    return {
        call: ledger.texts(explanation.topic, explanation.partition, explanation.record.offset, call) for call in calls
    }


def _write_json(explanation: "Explanation", texts: dict[int, dict[str, str]]) -> None:
    import json

    from shadow.cli.exporting import export_row

    record = explanation.record
    line: dict[str, Any] = {
        "topic": explanation.topic,
        "partition": explanation.partition,
        "offset": record.offset,
        "ids": record.ids,
        "disposition": record.disposition,
        "reason": record.reason,
        "outcomes": [{**export_row(row), "reasons": row.reasons} for row in explanation.outcomes],
    }
    if texts:
        line["texts"] = {str(call): arms for call, arms in texts.items()}
    click.echo(json.dumps(line))


def _write(explanation: "Explanation", texts: dict[int, dict[str, str]]) -> None:
    from shadow.cli.dispositions import MEANINGS
    from shadow.cli.exporting import iso
    from shadow.cli.visible import console as make_console
    from shadow.cli.visible import visible

    console = make_console()
    record = explanation.record
    place = f"{visible(explanation.topic)} partition {explanation.partition} offset {record.offset}"
    console.print(f"{place}, {iso(record.ts_unix_ms) or 'time unknown'}")
    reason = f" ({visible(record.reason)})" if record.reason else ""
    console.print(f"{record.disposition}{reason}: {MEANINGS[record.disposition]}")
    for call in sorted({row.call for row in explanation.outcomes}):
        _write_call(console, call, [row for row in explanation.outcomes if row.call == call])
        for arm, text in texts.get(call, {}).items():
            console.rule(visible(arm) or "request", align="left")
            console.print(visible(text, lines=True))
    if texts and not any(texts.values()):
        console.print("No text is stored: ledger.text is none, or ledger.text_days have passed.")


def _write_call(console: "Console", call: int, rows: "list[OutcomeRow]") -> None:
    from rich.table import Table

    from shadow.cli.visible import visible

    first = rows[0]
    counted = "counted" if first.counted else "not counted (another turn of its session is)"
    console.print(
        f"call {call}: {counted}, segment {visible(first.segment)}, weight {2.0**-first.weight_exponent:g}, "
        f"chosen with probability {first.probability:g}"
    )
    arms = Table("arm", "result", "latency", "first token", "tokens in/out", "cost", "retries")
    scores = Table("arm", "scorer", "value", "label", "why")
    for row in rows:
        arms.add_row(
            visible(row.arm),
            _result(row),
            _seconds(row.latency_seconds),
            _seconds(row.ttft_seconds),
            f"{_number(row.input_tokens)}/{_number(row.output_tokens)}",
            "unknown" if row.cost_usd is None else f"${row.cost_usd:.6f}",
            str(row.retries),
        )
        for name, value in row.scores.items():
            label, why = row.labels.get(name) or "", row.reasons.get(name, "")
            shown = "none" if value is None else f"{value:.3f}"
            scores.add_row(visible(row.arm), visible(name), shown, visible(label), visible(why))
        for finding in row.findings:
            what = f"{finding.get('category')} x{finding.get('count', 1)}"
            scores.add_row(visible(row.arm), visible(str(finding.get("scorer"))), "finding", visible(what), "")
    console.print(arms)
    if any(row.failure == "unavailable" for row in rows):
        console.print("unavailable: the arm was down, the call is no evidence about it")
    if scores.row_count:
        console.print(scores)


def _result(row: "OutcomeRow") -> str:
    if row.failure == "unavailable":
        return "unavailable"
    if row.failure is not None:
        return f"failed: {row.failure}" + (" (first of a spell)" if row.spell == "first" else "")
    if not row.comparable:
        return "not comparable"
    return "answered, cut at the limit" if row.truncated else "answered"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f} s"


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
