"""Every scorer over every arm of a batch of finished calls: cases in, scores by call, arm and scorer out.

Absolute scorers judge every arm that answered, the incumbent too; comparative and preference scorers judge candidates
and the baseline against the incumbent's usable answer. What was not judged has no entry, and a crash is a counted value.

A dear scorer sees two parts of the traffic, and they are never mixed: its random sample, drawn beforehand, under its own
name; and the cases that a cheaper scorer left open, under `NAME@unknown`, which no policy can name. What its budget does
not allow any more has no entry either, and is counted.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scorers import base as scorers
from scorers.running import run_scorer
from shadow.allowance import Allowance
from shadow.records import Answer, ArmOutcome, Call, FinishedCall
from shadow.settings import Resolve

OPEN_CASES = "@unknown"
"""Suffix of the name under which scores of open cases are kept; no scorer's name can hold an @."""

ArmScores = dict[str, scorers.Score | scorers.ScorerFailure]
"""By scorer label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A scorer in use: the label its scores are kept under, the share of calls it sees, and which open cases."""

    label: str
    kind: str = ""
    scorer: scorers.Scorer
    rate: float = 1.0
    resolve: Resolve | None = None
    generation: int = 1

    @property
    def description(self) -> str:
        """As epochs describe it; another one is another instrument."""
        again = f"/{self.generation}" if self.generation > 1 else ""
        return f"{self.scorer.kind}/{self.scorer.version}/{self.rate:g}{again}"


Observe = Callable[[str, float, int, Mapping[str, int]], None]
"""(scorer, seconds, cases, failures by exception class): told after each batch of one scorer."""


class Scoring:
    """Owned by one thread. `score` never raises for what a call contains."""

    def __init__(
        self, entries: Sequence[Entry], observe: Observe | None = None, allowance: Allowance | None = None
    ) -> None:
        self._entries = tuple(entries)
        self._in_order = sorted(self._entries, key=lambda entry: entry.resolve is not None)
        self._observe = observe
        self._allowance = allowance

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The scorers in use, in the order of the configuration."""
        return self._entries

    def score(self, calls: Sequence[FinishedCall]) -> list[dict[str, ArmScores]]:
        """Per call: arm to scorer label to score. One batch per scorer over all calls and arms."""
        results: list[dict[str, ArmScores]] = [{o.arm: {} for o in call.outcomes} for call in calls]
        drawn = [nested_draw(call.call.id) for call in calls]
        for entry in self._in_order:
            places: list[tuple[int, str, str]] = []
            cases: list[scorers.Case] = []
            for index, call in enumerate(calls):
                sampled = drawn[index] < entry.rate
                if not sampled and entry.resolve is None:
                    continue
                for outcome in call.outcomes:
                    if not sampled and not _open(entry, call, results[index][outcome.arm]):
                        continue
                    case = _case(call, outcome, entry.scorer.kind)
                    if case is not None:
                        places.append((index, outcome.arm, entry.label if sampled else entry.label + OPEN_CASES))
                        cases.append(case)
            limit = self._allowance.exhausted(entry.label) if self._allowance is not None and cases else None
            if self._allowance is not None and limit is not None:
                self._allowance.skip(entry.label, limit, len(cases))
                continue
            for (index, arm, name), result in zip(places, self.ask(entry, cases), strict=True):
                results[index][arm][name] = result
        return results

    def ask(self, entry: Entry, cases: Sequence[scorers.Case]) -> list[scorers.Score | scorers.ScorerFailure]:
        """What one scorer says of these cases, timed and charged; never raises."""
        started = time.perf_counter()
        scores = run_scorer(entry.scorer, cases)
        seconds = time.perf_counter() - started
        if cases and self._allowance is not None:
            self._allowance.charge(entry.label, seconds, len(cases))
        if cases and self._observe is not None:
            failed = Counter(s.kind for s in scores if isinstance(s, scorers.ScorerFailure))
            self._observe(entry.label, seconds, len(cases), failed)
        return scores


def _open(entry: Entry, call: FinishedCall, scores: ArmScores) -> bool:
    """Whether a cheaper scorer left this arm's case open, and the draw of its own takes it.

    The draw is another one than that of the sample: what lies outside the sample is an unbiased part of the open cases.
    """
    if entry.resolve is None:
        return False
    said = scores.get(entry.resolve.scorer)
    if not isinstance(said, scorers.Score) or said.label not in entry.resolve.labels:
        return False
    return nested_draw(call.call.id, b"scorer-open") < entry.resolve.rate


def nested_draw(call_id: str, purpose: bytes = b"scorer-rate") -> float:
    """A number in [0, 1) per call: a scorer with rate r sees the calls below r, so that what a dear scorer sees is a
    subset of what a cheap one sees."""
    digest = hashlib.blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=8, person=purpose).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


def _case(finished: FinishedCall, outcome: ArmOutcome, kind: scorers.ScorerKind) -> scorers.Case | None:
    """The case of one arm, None where there is nothing to judge."""
    if outcome.failure is not None:
        return None
    incumbent = next((o for o in finished.outcomes if o.role == "incumbent"), None)
    usable = incumbent is not None and incumbent.failure is None and incumbent.answer.comparable
    if outcome.role == "incumbent":
        if kind != "absolute" or not _says_something(outcome.answer):
            return None
    elif kind != "absolute" and not usable:
        return None
    call = finished.call
    return scorers.Case(
        id=call.id,
        prompt=call.prompt_text,
        candidate=reply_of(outcome.answer),
        incumbent=reply_of(incumbent.answer) if incumbent is not None and usable else None,
        messages=messages_of(call),
        route=call.route,
    )


def _says_something(answer: Answer) -> bool:
    return bool(answer.text or answer.tool_calls or answer.refusal or answer.comparable)


def reply_of(answer: Answer) -> scorers.Reply:
    """An answer as the scorers' library reads it."""
    return scorers.Reply(
        text=answer.text or "",
        tool_calls=tuple(scorers.ToolCall(name=t.name, arguments=t.arguments) for t in answer.tool_calls),
        reasoning=answer.reasoning,
        refusal=answer.refusal,
        finish_reason=answer.finish_reason,
    )


def messages_of(call: Call) -> list[dict[str, object]]:
    """The conversation as it travelled; a completions prompt as one user message."""
    request = call.request or {}
    messages = request.get("messages")
    if isinstance(messages, list):
        return [m for m in messages if isinstance(m, dict)]
    return [{"role": "user", "content": call.prompt_text}] if call.prompt_text else []
