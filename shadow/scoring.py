"""Every scorer over every arm of a batch of finished calls: cases in, scores by call, arm and scorer out.

Absolute scorers judge every arm that answered, the incumbent too; comparative and preference scorers judge candidates
and the baseline against the incumbent's usable answer. What was not judged has no entry, and a crash is a counted value.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scorers import base as scorers
from scorers.running import run_scorer
from shadow.records import Answer, ArmOutcome, Call, FinishedCall

ArmScores = dict[str, scorers.Score | scorers.ScorerFailure]
"""By scorer label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A scorer in use: the label its scores are kept under, and the share of calls it sees."""

    label: str
    scorer: scorers.Scorer
    rate: float = 1.0


Observe = Callable[[str, float, int, Mapping[str, int]], None]
"""(scorer, seconds, cases, failures by exception class): told after each batch of one scorer."""


class Scoring:
    """Owned by one thread. `score` never raises for what a call contains."""

    def __init__(self, entries: Sequence[Entry], observe: Observe | None = None) -> None:
        self._entries = tuple(entries)
        self._observe = observe

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The scorers in use, in the order of the configuration."""
        return self._entries

    def score(self, calls: Sequence[FinishedCall]) -> list[dict[str, ArmScores]]:
        """Per call: arm to scorer label to score. One batch per scorer over all calls and arms."""
        results: list[dict[str, ArmScores]] = [{o.arm: {} for o in call.outcomes} for call in calls]
        drawn = [nested_draw(call.call.id) for call in calls]
        for entry in self._entries:
            places: list[tuple[int, str]] = []
            cases: list[scorers.Case] = []
            for index, call in enumerate(calls):
                if drawn[index] >= entry.rate:
                    continue
                for outcome in call.outcomes:
                    case = _case(call, outcome, entry.scorer.kind)
                    if case is not None:
                        places.append((index, outcome.arm))
                        cases.append(case)
            started = time.perf_counter()
            scores = run_scorer(entry.scorer, cases)
            if self._observe is not None and cases:
                failed = Counter(s.kind for s in scores if isinstance(s, scorers.ScorerFailure))
                self._observe(entry.label, time.perf_counter() - started, len(cases), failed)
            for (index, arm), result in zip(places, scores, strict=True):
                results[index][arm][entry.label] = result
        return results


def nested_draw(call_id: str) -> float:
    """A number in [0, 1) per call: a scorer with rate r sees the calls below r, so that what a dear scorer sees is a
    subset of what a cheap one sees."""
    digest = hashlib.blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"scorer-rate").digest()
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
