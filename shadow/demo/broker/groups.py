"""Consumer groups: the state machine of one group's rebalances, as Kafka's classic protocol defines it."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

from shadow.demo.broker.codes import Code

GroupState = Literal["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"]
Offset = tuple[int, str]  # committed offset and its metadata
Place = tuple[str, int]  # topic and partition
_PENDING_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Member:
    """One consumer. `join` and `sync` are the answers it waits for."""

    id: str
    instance: str | None = None
    client: str = ""
    join: "asyncio.Future[tuple[int, str]] | None" = None
    sync: "asyncio.Future[tuple[int, bytes]] | None" = None
    assignment: bytes = b""
    protocols: list[tuple[str, bytes]] = field(default_factory=list)
    session_ms: int = 0
    rebalance_ms: int = 0
    last_seen: float = field(default_factory=time.monotonic)

    def metadata(self, protocol: str | None) -> bytes:
        """What the member said about itself under an assignment protocol."""
        return dict(self.protocols).get(protocol or "", b"")

    def names(self) -> set[str]:
        """The assignment protocols it knows."""
        return {name for name, _ in self.protocols}


class Group:
    """Owned by the broker's loop."""

    def __init__(self, group_id: str, loop: asyncio.AbstractEventLoop, first_delay_seconds: float) -> None:
        self.id = group_id
        self.state: GroupState = "Empty"
        self.generation = 0
        self.leader: str | None = None
        self.protocol: str | None = None
        self.protocol_type = ""
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}  # instance id -> member id
        self.pending: dict[str, float] = {}  # member ids handed out and not used yet -> until when
        self.offsets: dict[Place, Offset] = {}
        self.uncommitted: dict[int, dict[Place, Offset]] = {}  # producer id -> offsets of its open transaction
        self._loop, self._first_delay_seconds = loop, first_delay_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._hold = False

    @property
    def used(self) -> bool:
        """False for a group that was only asked about: it does not exist then."""
        return bool(self.members or self.generation or self.offsets or self.uncommitted)

    def check(self, member_id: str, generation: int, instance: str | None = None) -> Code:
        """Whether a member may speak for the group now."""
        if instance and self.static.get(instance, member_id) != member_id:
            return Code.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return Code.UNKNOWN_MEMBER_ID
        return Code.NONE if generation == self.generation else Code.ILLEGAL_GENERATION

    def expect(self, member_id: str) -> None:
        """Notes a member id that was handed out and has to come back with the next JoinGroup."""
        self.pending[member_id] = time.monotonic() + _PENDING_SECONDS

    def prepare(self) -> None:
        """Begins a rebalance: every member has to join again."""
        for member in self.members.values():
            if member.sync is not None and not member.sync.done():
                member.sync.set_result((Code.REBALANCE_IN_PROGRESS, b""))
            member.sync = None
        self._hold = self.state == "Empty"
        self.state = "PreparingRebalance"
        if self._timer is not None:
            self._timer.cancel()
        slowest = max((m.rebalance_ms for m in self.members.values()), default=0) / 1000
        self._timer = self._loop.call_later(self._first_delay_seconds if self._hold else slowest, self._complete)

    def complete_if_all_joined(self) -> None:
        """Ends the joining phase early when nobody is missing."""
        if self.state == "PreparingRebalance" and not self._hold and all(m.join for m in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        if self.state != "PreparingRebalance":
            return
        if self._timer is not None:
            self._timer.cancel()
        self._hold = False
        for missing in [m.id for m in self.members.values() if m.join is None and m.instance is None]:
            del self.members[missing]
        self.generation += 1
        if not self.members:
            self.state, self.leader, self.protocol = "Empty", None, None
            return
        members = list(self.members.values())
        if self.leader not in self.members or self.members[self.leader].join is None:
            self.leader = next((m.id for m in members if m.join is not None), members[0].id)
        common = set.intersection(*(m.names() for m in members))
        self.protocol = next(name for name, _ in self.members[self.leader].protocols if name in common)
        self.state = "CompletingRebalance"
        for member in members:
            member.last_seen = time.monotonic()
            joined, member.join = member.join, None
            if joined is not None and not joined.done():
                joined.set_result((Code.NONE, member.id))

    def assign(self, assignments: dict[str, bytes]) -> None:
        """Takes the leader's assignment and answers everybody who waits for it."""
        self.state = "Stable"
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")
            waiting, member.sync = member.sync, None
            if waiting is not None and not waiting.done():
                waiting.set_result((Code.NONE, member.assignment))

    def remove(self, member_id: str) -> None:
        """A member left or was lost."""
        member = self.members.pop(member_id, None)
        if member is None:
            return
        if member.instance is not None:
            self.static.pop(member.instance, None)
        self._dismiss(member, Code.UNKNOWN_MEMBER_ID)
        if self.state in ("Stable", "CompletingRebalance"):
            self.prepare()
        self.complete_if_all_joined()

    def replace(self, old_id: str, new_id: str) -> None:
        """A static member came back under a new member id and takes its old place."""
        member = self.members.pop(old_id)
        self._dismiss(member, Code.FENCED_INSTANCE_ID)
        member.join = member.sync = None
        member.id = new_id
        self.members[new_id] = member
        if self.leader == old_id:
            self.leader = new_id

    @staticmethod
    def _dismiss(member: Member, code: Code) -> None:
        if member.join is not None and not member.join.done():
            member.join.set_result((code, member.id))
        if member.sync is not None and not member.sync.done():
            member.sync.set_result((code, b""))

    def expire(self, now: float) -> None:
        """Removes members that were silent for longer than their session."""
        for member in list(self.members.values()):
            if member.join is None and now - member.last_seen > member.session_ms / 1000:
                self.remove(member.id)
        self.pending = {m: until for m, until in self.pending.items() if until > now}
