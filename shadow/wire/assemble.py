"""Puts one answer together from the chunks of a stream, or from a whole body, by the same rules.

Chat, completions and legacy (`function_call`) shapes. Beside the answer it records which event carried the first output of
any kind (the clock that gates use) and which the first of the answer itself: the caller knows when those events arrived.
"""

from bisect import bisect_right
from typing import Any, Literal

from shadow.errors import DecodeError
from shadow.records import Answer, FailureKind
from shadow.wire import failures, numbers, parts, strict_json, thoughts
from shadow.wire.sse import SseEvent

Carried = Literal["nothing", "reasoning", "text", "tool"]
"""What one event brought, the strongest where it brought several."""

_STRENGTH: dict[Carried, int] = {"nothing": 0, "reasoning": 1, "text": 2, "tool": 3}
_MAX_CHOICES = 128
_FOREIGN = ("response.", "message_", "content_block_")  # events of protocols that we do not ask for


class _Choice:
    """One choice of the answer while it grows."""

    __slots__ = ("ends", "events", "finish", "first_act", "reasoning", "refusal", "text", "tools", "watch")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.ends: list[int] = []  # length of the text after each piece, and
        self.events: list[int] = []  # the event that brought it
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.tools = parts.Tools()
        self.finish: str | None = None
        self.first_act: int | None = None  # the event of the first tool call or refusal
        self.watch = thoughts.Watch()

    def absorb(self, delta: dict[str, Any], event: int, *, whole: bool) -> Carried:
        """Adds a delta, or a whole message."""
        carried: Carried = "nothing"
        thought = parts.thoughts_of(delta)
        if thought:
            self.reasoning.append(thought)
            carried = "reasoning"
        text = parts.text_of(delta.get("content"))
        if text:
            carried = self.add_text(text, event)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self.refusal.append(refusal)
            carried = "text"
        calls = delta.get("tool_calls")
        if calls and (self.tools.whole(calls) if whole else self.tools.deltas(calls)):
            carried = "tool"
        legacy = delta.get("function_call")
        if legacy and self.tools.legacy(legacy):
            carried = "tool"
        if self.first_act is None and (self.refusal or self.tools):
            self.first_act = event
        return carried

    def add_text(self, text: str, event: int) -> Carried:
        self.text.append(text)
        self.ends.append(len(text) + (self.ends[-1] if self.ends else 0))
        self.events.append(event)
        return "reasoning" if self.watch.thinking(text) else "text"

    @property
    def empty(self) -> bool:
        return not (self.text or self.reasoning or self.refusal or self.tools)

    def event_of(self, offset: int) -> int | None:
        """The event that brought the character at `offset` of the joined text."""
        piece = bisect_right(self.ends, offset)
        return self.events[piece] if piece < len(self.events) else None


class Assembler:
    """`feed` every data event in order, then `finish` once. Nothing it is fed can make it raise.

    `first_output_event` and `first_answer_event` count data events from 0. The second is provisional until `finish`:
    only a later `</think>` can show that what looked like the answer were thoughts.
    """

    def __init__(self) -> None:
        self.first_output_event: int | None = None
        self.first_answer_event: int | None = None
        self.events = 0
        self.figure_doubted = False
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self._model: str | None = None
        self._fingerprint: str | None = None
        self._failure: FailureKind | None = None
        self._filtered = False
        self._done = False
        self._protocol = False  # something had the shape we asked for
        self._foreign = False
        self._broken = False  # a chunk in the middle could not be read
        self._cut = False  # the latest chunk could not be read; broken if anything follows it

    @property
    def ended(self) -> bool:
        """True once the stream said that it is complete."""
        first = self._choices.get(min(self._choices)) if self._choices else None
        return self._done or (first is not None and first.finish is not None)

    def feed(self, event: SseEvent) -> Carried:
        """Takes one data event and says what it carried."""
        number = self.events
        self.events += 1
        data = event.data
        if self._done:
            return "nothing"
        if self._cut:
            self._broken, self._cut = True, False
        if len(data) < 16 and data.strip() == b"[DONE]":
            self._done = True
            return "nothing"
        chunk = self._parse(data)
        named_error = event.name == "error"
        if isinstance(chunk, list) and chunk:
            chunk = chunk[0]
        if not isinstance(chunk, dict):
            if named_error:
                self._fail(chunk if isinstance(chunk, str) else data.decode("utf-8", "replace"))
            return "nothing"
        if named_error or failures.is_error(chunk):
            self._fail(chunk)
        carried = self.take(chunk, number)
        if carried != "nothing":
            if self.first_output_event is None:
                self.first_output_event = number
            if self.first_answer_event is None and carried != "reasoning":
                self.first_answer_event = number
        return carried

    def take(self, chunk: dict[str, Any], event: int = 0, *, whole: bool = False) -> Carried:
        """Takes one parsed chunk, or with `whole` a finished body."""
        model = chunk.get("model")
        if model and self._model is None and isinstance(model, str):
            self._model = strict_json.repair(model)
        fingerprint = chunk.get("system_fingerprint")
        if fingerprint and isinstance(fingerprint, str):
            self._fingerprint = strict_json.repair(fingerprint)
        usage = chunk.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            kind = chunk.get("type")
            if isinstance(kind, str) and kind.startswith(_FOREIGN):
                self._foreign = True
            return "nothing"
        self._protocol = True
        carried: Carried = "nothing"
        for position, choice in enumerate(choices):
            if isinstance(choice, dict):
                carried = stronger(carried, self._take_choice(choice, position, event, whole=whole))
        return carried

    def _take_choice(self, choice: dict[str, Any], position: int, event: int, *, whole: bool) -> Carried:
        index = choice.get("index")
        if type(index) is not int:
            index = position
        state = self._choices.get(index)
        if state is None:
            if len(self._choices) >= _MAX_CHOICES:
                return "nothing"
            state = self._choices[index] = _Choice()
        carried: Carried = "nothing"
        message, delta = choice.get("message"), choice.get("delta")
        if isinstance(delta, dict) and delta:
            carried = state.absorb(delta, event, whole=False)
        if isinstance(message, dict):
            if state.empty:
                carried = state.absorb(message, event, whole=True)
        elif isinstance(choice.get("text"), str) and choice["text"]:
            thought = parts.thoughts_of(choice)
            if thought:
                state.reasoning.append(thought)
            carried = stronger(carried, state.add_text(choice["text"], event))
        finish = choice.get("finish_reason")
        if finish and isinstance(finish, str):
            state.finish = finish
        usage = choice.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
        if choice.get("error"):
            self._fail(choice)
        return carried

    def finish(self, *, whole: bool = False, broken: bool = False) -> Answer:
        """The answer. `whole`: it came as one body and needs no end mark. `broken`: the connection broke off."""
        number = min(self._choices) if self._choices else None
        first = self._choices[number] if number is not None else _Choice()
        complete = (whole or self.ended) and not broken
        raw = "".join(first.text)
        split = thoughts.split(raw)
        moments = [] if whole else [e for e in (first.event_of(split.offset), first.first_act) if e is not None]
        self.first_answer_event = min(moments, default=None)
        text = strict_json.repair(split.answer)
        calls = first.tools.calls(complete=complete)
        refusal = strict_json.repair("".join(first.refusal)) or None
        answered = bool(text.strip()) or bool(calls) or refusal is not None
        failure = self._failure_of(first, answered=answered, complete=complete)
        filtered = first.finish == "content_filter" or self._filtered
        usage, doubted = numbers.usage(self._usage, answered=bool(raw or first.reasoning or calls))
        self.figure_doubted = self.figure_doubted or doubted
        unanswered_by_filter = failure is None and filtered and not answered
        return Answer(
            text=text or None,
            tool_calls=calls,
            reasoning=_joined(first.reasoning, split.thoughts),
            refusal=refusal,
            finish_reason="content_filter" if filtered else first.finish and strict_json.repair(first.finish),
            choices=self._texts(),
            model=self._model,
            system_fingerprint=self._fingerprint,
            usage=usage,
            failure=failure,
            comparable=failure is None and not unanswered_by_filter,
            reason="content_filter" if unanswered_by_filter else None,
        )

    def _failure_of(self, first: _Choice, *, answered: bool, complete: bool) -> FailureKind | None:
        if self._failure is not None:
            return self._failure
        if first.finish == "error":
            return "http_5xx"
        if self._broken:
            return "invalid"
        if self._foreign and not self._protocol:
            return "invalid"
        if not complete:
            return "incomplete"
        if answered or first.finish == "content_filter":
            return None
        if not self._protocol and self.events > int(self._done):
            return "invalid"
        return "empty"

    def _texts(self) -> tuple[str, ...]:
        """The texts of all choices in order of their index; empty unless there are several."""
        if len(self._choices) < 2:
            return ()
        return tuple(
            strict_json.repair(thoughts.split("".join(choice.text)).answer)
            for _, choice in sorted(self._choices.items())
        )

    def _parse(self, data: bytes) -> Any:
        try:
            return strict_json.loads_exactly(data, keep_surrogates=True) if b"\\u" in data else strict_json.loads(data)
        except DecodeError:
            self._cut = data.lstrip()[:1] == b"{" and not self.ended
            return None

    def _fail(self, error: Any) -> None:
        if self._failure is None:
            self._failure = failures.classify(None, error)
            self._filtered = failures.is_filter(error)


def stronger(one: Carried, other: Carried) -> Carried:
    """Of two, what matters more."""
    return one if _STRENGTH[one] >= _STRENGTH[other] else other


def _joined(reasoning: list[str], inline: str | None) -> str | None:
    """Thoughts of their own field, then those that stood in the text."""
    own = "".join(reasoning)
    return strict_json.repair("\n".join(part for part in (own, inline or "") if part)) or None
