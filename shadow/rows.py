"""A scored call as the rows the ledger keeps: numbers, scores, segments; texts apart, redacted before anything is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from scorers.base import Score
from shadow.cost import Meter, cost_usd
from shadow.ledger.base import ArmTotals, OutcomeRow, TextRow
from shadow.records import ArmOutcome, Call, FinishedCall
from shadow.scoring import ArmScores
from shadow.settings import Price

MAX_TEXT_CHARACTERS = 200_000
_LENGTH_CLASSES = ((400, "short"), (4000, "medium"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCall:
    """A finished call with the scores of every arm."""

    finished: FinishedCall
    scores: Mapping[str, ArmScores]


class Segments:
    """Names of the parts of the traffic a call belongs to; at most `limit` distinct names, further ones are `other`."""

    def __init__(self, limit: int, language: Callable[[str], str | None]) -> None:
        self._limit = limit
        self._known: set[str] = set()
        self._language = language

    def of(self, call: Call) -> tuple[str, ...]:
        """Route, language, length class and tags of a call, each bounded."""
        names = [f"route={call.route}"] if call.route else []
        language = call.tags.get("lang") or self._language(call.prompt_text[:2000])
        if language:
            names.append(f"lang={language}")
        size = len(call.prompt_text)
        names.append(f"length={next((word for bound, word in _LENGTH_CLASSES if size < bound), 'long')}")
        names += [f"tag:{k}={v}" for k, v in sorted(call.tags.items()) if k != "lang"]
        return tuple(dict.fromkeys(self._bounded(name) for name in names))

    def _bounded(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) < self._limit and len(name) <= 80:
            self._known.add(name)
            return name
        return f"{name.split('=', 1)[0]}=other"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    """Turns scored calls into rows. `clean` removes personal data and secrets; `epochs` and `prices` are by arm name.

    `absolute` names the scorers whose findings are kept: what a comparative scorer finds is change, and stands in its
    label and reason.
    """

    epochs: Mapping[str, int]
    prices: Mapping[str, Price | None]
    meters: Mapping[str, Meter]
    segments: Segments
    clean: Callable[[str], str]
    clean_json: Callable[[object], object]
    user_key: Callable[[str], str]
    absolute: frozenset[str]
    text: str  # none, redacted, full

    def outcomes(self, topic: str, partition: int, offset: int, scored: ScoredCall, now_ns: int) -> list[OutcomeRow]:
        """One row per arm, the incumbent first."""
        call, selection = scored.finished.call, scored.finished.selection
        segments = self.segments.of(call)
        tags = {self.name(k): self.name(v) for k, v in call.tags.items()}
        clean_segments = tuple(self.name(s) for s in segments)
        rows = []
        for outcome in scored.finished.outcomes:
            scores = scored.scores.get(outcome.arm, {})
            usage = outcome.answer.usage
            rows.append(
                OutcomeRow(
                    topic=topic,
                    partition=partition,
                    offset=offset,
                    call=call.index,
                    id=self.name(call.id),
                    ts_unix_ms=call.ts_unix_ms,
                    session=None if call.session is None else self.name(call.session),
                    user_key=None if call.user is None else self.user_key(call.user),
                    route=None if call.route is None else self.name(call.route),
                    tags=tags,
                    segment=clean_segments[0] if clean_segments else "all",
                    segments=clean_segments,
                    weight_exponent=selection.weight_exponent,
                    probability=selection.probability,
                    counted=selection.counted,
                    epoch=self.epochs.get(outcome.arm) if outcome.role == "candidate" else None,
                    arm=outcome.arm,
                    role=outcome.role,
                    status=outcome.status,
                    failure=outcome.failure,
                    spell=outcome.spell,
                    truncated=outcome.answer.truncated,
                    retries=outcome.retries,
                    latency_seconds=outcome.latency_seconds,
                    queue_seconds=outcome.queue_seconds,
                    ttft_seconds=outcome.ttft_seconds,
                    ttft_answer_seconds=outcome.ttft_answer_seconds,
                    tpot_seconds=outcome.tpot_seconds,
                    client_saturated=outcome.client_saturated,
                    limited_by_us=outcome.limited_by_us,
                    comparable=outcome.answer.comparable,
                    input_tokens=usage.input_tokens,
                    cached_input_tokens=usage.cached_input_tokens,
                    output_tokens=usage.output_tokens,
                    reasoning_tokens=usage.reasoning_tokens,
                    cost_usd=self._cost(outcome, now_ns),
                    # A scorer that failed has no entry: null means that there was nothing to judge.
                    scores={k: s.value for k, s in scores.items() if isinstance(s, Score)},
                    labels={k: s.label for k, s in scores.items() if isinstance(s, Score)},
                    reasons={
                        k: s.reason if isinstance(s, Score) else f"scorer failed: {s.kind}" for k, s in scores.items()
                    },
                    findings=[
                        {"scorer": k, "category": f.category, "count": f.count}
                        for k, s in scores.items()
                        if isinstance(s, Score) and k in self.absolute
                        for f in s.findings
                    ],
                )
            )
        return rows

    def texts(self, offset: int, scored: ScoredCall) -> list[TextRow]:
        """Request and answers at the configured level; nothing when that is `none`."""
        if self.text == "none":
            return []
        call = scored.finished.call
        rows = []
        messages = (call.request or {}).get("messages", call.prompt_text)
        shown = self.clean_json(messages) if self.text == "redacted" else messages
        rows.append(TextRow(offset=offset, call=call.index, arm="", text=_bounded(msgspec.json.encode(shown).decode())))
        for outcome in scored.finished.outcomes:
            if not outcome.asked:  # production's earlier answer is kept, and forgotten, with its own request
                continue
            answer = outcome.answer
            parts = [answer.text or answer.refusal or ""]
            if answer.tool_calls:
                parts.append(msgspec.json.encode([[t.name, t.arguments] for t in answer.tool_calls]).decode())
            text = "\n".join(part for part in parts if part)
            if text:
                kept = self.clean(text[:MAX_TEXT_CHARACTERS]) if self.text == "redacted" else text
                rows.append(TextRow(offset=offset, call=call.index, arm=outcome.arm, text=_bounded(kept)))
        return rows

    def name(self, name: str) -> str:
        """Ids, sessions, routes and tags are kept as they are, unless somebody put personal data into them."""
        return name if self.clean(name) == name else f"h-{self.user_key(name)}"

    def _cost(self, outcome: ArmOutcome, now_ns: int) -> float | None:
        if outcome.failure == "unavailable":
            return None
        price = self.prices.get(outcome.arm)
        seconds = None
        if price is not None and price.gpu_usd_per_hour is not None:
            seconds = self.meters[outcome.arm].charge(now_ns)
        return cost_usd(price, outcome.answer.usage, seconds)


def totals_of(rows: list[OutcomeRow]) -> dict[str, ArmTotals]:
    """The additive counts behind `shadow coverage`."""
    found: dict[str, ArmTotals] = {}
    for row in rows:
        before = found.get(row.arm, ArmTotals())
        found[row.arm] = ArmTotals(
            outcomes=before.outcomes + 1,
            failures=before.failures + (row.failure not in (None, "unavailable")),
            output_tokens=before.output_tokens + (row.output_tokens or 0),
        )
    return found


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[:MAX_TEXT_CHARACTERS] + " [cut]"
