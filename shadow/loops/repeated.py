"""A noise floor where nobody may ask the incumbent again: requests that production itself answered twice.

A repeated request takes the answer that production gave to it before as its baseline answer. Texts are in memory only,
bounded in bytes, and never kept a second time.
"""

import hashlib
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from shadow.records import BASELINE, Answer, ArmOutcome, Call, Selection, Usage

_OVERHEAD_BYTES = 1024
_LARGEST_SHARE = 16
"""An answer may take a sixteenth of the memory; larger ones are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    call_id: str
    session: str | None
    answer: Answer
    size_bytes: int


class RepeatedRequests:
    """Earlier answers by request; asked in the order of the records, by the replayer's loop, which owns it.

    What comes out depends on the past of the traffic alone, never on an arm. Two answers make one pair: an answer that
    was used is gone, and a call that got one is not kept for the next, so that pairs are as independent as the records.
    The same request means: the body that travels, endpoint, and who answered (`model`, `system_fingerprint`), all equal.
    Left out: answers from a cache, incomparable ones, and a repetition within one session (a retry is no second draw).
    `counts` says what became of the calls seen: paired, kept, unusable, same_session, uncounted, too_large, forgotten.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[bytes, _Earlier] = OrderedDict()
        self.bytes = 0
        self.counts: Counter[str] = Counter()

    def second_answer(self, call: Call, selection: Selection) -> ArmOutcome | None:
        """The earlier answer to the same request as the baseline's outcome, without latency, usage or cost; else None, and
        this call's answer is kept for a later one."""
        key = _key(call)
        if key is None:
            self.counts["unusable"] += 1
            return None
        earlier = self._held.get(key)
        if earlier is None:
            self._keep(key, call)
            return None
        if earlier.call_id == call.id or (call.session is not None and call.session == earlier.session):
            self.counts["same_session"] += 1
            return None
        if not selection.counted:
            self.counts["uncounted"] += 1
            return None
        del self._held[key]
        self.bytes -= earlier.size_bytes
        self.counts["paired"] += 1
        return ArmOutcome(arm=BASELINE, role="baseline", answer=earlier.answer, asked=False)

    def _keep(self, key: bytes, call: Call) -> None:
        size = _OVERHEAD_BYTES + len(msgspec.msgpack.encode(_said(call.answer)))
        if size > self._max_bytes // _LARGEST_SHARE:
            self.counts["too_large"] += 1
            return
        answer = replace(call.answer, usage=Usage())
        self._held[key] = _Earlier(call_id=call.id, session=call.session, answer=answer, size_bytes=size)
        self.bytes += size
        self.counts["kept"] += 1
        while self.bytes > self._max_bytes:
            _, oldest = self._held.popitem(last=False)
            self.bytes -= oldest.size_bytes
            self.counts["forgotten"] += 1


def _key(call: Call) -> bytes | None:
    """What makes two requests the same; None for a call whose answer is no draw of the incumbent."""
    answer = call.answer
    usable = answer.failure is None and answer.comparable and "cache_hit" not in call.notes
    if call.request is None or not usable or not (answer.text or answer.tool_calls or answer.refusal):
        return None
    sent: list[Any] = [call.endpoint, call.model, answer.model, answer.system_fingerprint, call.request]
    try:
        return hashlib.blake2b(msgspec.json.encode(sent, order="sorted"), digest_size=16).digest()
    except (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None  # what cannot be encoded does not travel either


def _said(answer: Answer) -> list[Any]:
    return [
        answer.text,
        answer.reasoning,
        answer.refusal,
        answer.choices,
        [[t.name, t.arguments] for t in answer.tool_calls],
    ]
