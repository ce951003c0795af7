"""Heartbeats of our own: a known record through intake and down the pipe, as a real one goes, at every interval.

It never had an offset: it goes beside the partitions, not through them, and ends in a gauge instead of an outcome. So the
ledger's positions, dispositions and sums know nothing of it, and nothing it does can be taken for evidence. Where the
operator asks for it, the same record is also written into the mirrored topic; that one has an offset, is read back like any
other and counted under the disposition `heartbeat`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from shadow.loops import handoff
from shadow.loops.intake import Intake
from shadow.sources.base import Delivered

log = logging.getLogger(__name__)

PLACE: Final = "heartbeat of shadow"
"""Stands where a topic's name stands; its spaces are legal in no topic."""

Announce = Callable[[bytes], None]
"""Writes one heartbeat into the mirrored topic. Blocks for seconds at most; raises OSError when it was not taken."""


class Pulse:
    """Owned by the replayer's loop."""

    def __init__(
        self, intake: Intake, *, every_seconds: float, announce: Announce | None, now_unix_ms: Callable[[], int]
    ) -> None:
        self._intake, self._every_seconds, self._announce, self._now = intake, every_seconds, announce, now_unix_ms
        self._number = 0
        self.notes: Counter[str] = Counter()

    async def run(self, send: Callable[[handoff.Beat], None]) -> None:
        """Beats until it is cancelled."""
        while True:
            value = self.value()
            send(self.beat(value))
            if self._announce is not None:
                await self._write(self._announce, value)
            await asyncio.sleep(self._every_seconds)

    def value(self) -> bytes:
        """The next record as a mirror would write it."""
        self._number += 1
        return msgspec.json.encode({"v": 1, "heartbeat": True, "id": self._id(), "ts": self._now()})

    def beat(self, value: bytes) -> handoff.Beat:
        """What became of a record in intake."""
        began = self._now()
        record = Delivered(topic=PLACE, partition=0, offset=self._number, lease_epoch=0, sequence=0, value=value)
        try:
            judged = self._intake.judge(record)
            whole = judged.disposition == "heartbeat" and judged.ids == (self._id(),) and not judged.chosen
        except Exception:  # the border of intake, as for a real record
            log.exception("a heartbeat could not be judged")
            whole = False
        return handoff.Beat(number=self._number, whole=whole, began_unix_ms=began)

    def _id(self) -> str:
        return f"shadow-heartbeat-{self._number}"

    async def _write(self, announce: Announce, value: bytes) -> None:
        try:
            await asyncio.to_thread(announce, value)
        except OSError as error:
            self.notes["heartbeat_not_produced"] += 1
            if self.notes["heartbeat_not_produced"] == 1:
                log.warning("no heartbeat could be written into the mirrored topic: %s", error)
