"""Neutral values for tests: each builder takes what matters and fills in the rest."""

from typing import Any

from shadow.records import Answer, ArmOutcome, Call, FinishedCall, FinishedRecord, Selection
from shadow.settings import Settings
from shadow.sources.base import Delivered


def a_call(**changes: Any) -> Call:
    """A replayable chat call with an answer."""
    values: dict[str, Any] = {
        "index": 0,
        "id": "call-1",
        "request": {"messages": [{"role": "user", "content": "Which tram goes to the museum?"}], "max_tokens": 32},
        "prompt_text": "Which tram goes to the museum?",
        "messages_count": 1,
        "answer": Answer(text="Tram 7 goes to the museum.", finish_reason="stop"),
    }
    return Call(**{**values, **changes})


def an_outcome(arm: str = "cand", role: Any = "candidate", **changes: Any) -> ArmOutcome:
    """What an arm answered."""
    values: dict[str, Any] = {"answer": Answer(text="Take tram 7.", finish_reason="stop"), "latency_seconds": 0.2}
    return ArmOutcome(arm=arm, role=role, **{**values, **changes})


def a_finished_call(*outcomes: ArmOutcome, **changes: Any) -> FinishedCall:
    """A call that every arm has answered, the incumbent first."""
    call = changes.pop("call", a_call())
    selection = Selection(disposition="scored", counted=True, probability=1.0)
    first = ArmOutcome(arm="incumbent", role="incumbent", answer=call.answer, latency_seconds=0.8)
    return FinishedCall(call=call, selection=changes.pop("selection", selection), outcomes=(first, *outcomes))


def a_record(offset: int, *, sequence: int | None = None, **changes: Any) -> FinishedRecord:
    """A resolved record of partition 0."""
    values: dict[str, Any] = {
        "topic": "t",
        "partition": 0,
        "lease_epoch": 1,
        "disposition": "scored",
        "sequence": offset if sequence is None else sequence,
    }
    return FinishedRecord(offset=offset, **{**values, **changes})


def a_delivery(offset: int = 0, value: bytes | None = b"{}", **changes: Any) -> Delivered:
    """A raw record of partition 0."""
    values: dict[str, Any] = {"topic": "t", "partition": 0, "lease_epoch": 1, "sequence": offset}
    return Delivered(offset=offset, value=value, **{**values, **changes})


def some_settings(**changes: Any) -> Settings:
    """A configuration with one candidate."""
    candidate = {"name": "cand", "backend": {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "cand"}}
    return Settings.model_validate({"candidates": [candidate], **changes})
