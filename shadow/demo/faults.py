"""The flaky model's faults: a fixed share of different requests, each as often as it is asked, never two in a row."""

import hashlib
from collections import OrderedDict
from typing import Literal

Fault = Literal["http_500", "close_mid_stream"]
_REMEMBERED = 10_000


class FaultPlan:
    """Decides per request. Asked in one thread."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._decided: OrderedDict[bytes, Fault | None] = OrderedDict()
        self._seen = 0

    def fault(self, prompt: str) -> Fault | None:
        """The fault of a prompt: the same one at every attempt, so that a retry does not hide it."""
        key = hashlib.blake2b(prompt.encode("utf-8", "replace"), digest_size=12).digest()
        if key in self._decided:
            return self._decided[key]
        self._seen += 1
        chosen: Fault | None = None
        if self._seen % self._every == 0:
            chosen = "close_mid_stream" if (self._seen // self._every) % 2 else "http_500"
        self._decided[key] = chosen
        if len(self._decided) > _REMEMBERED:
            self._decided.popitem(last=False)
        return chosen
