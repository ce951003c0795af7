"""What `status`, `verdict` and `plan` share: one look at the ledger, as the monitor takes it, changing nothing."""

import time
from dataclasses import dataclass
from importlib.metadata import version

from shadow.app.checking import scorer_kinds, validated
from shadow.app.parts import build_ledger
from shadow.exporters.base import Snapshot
from shadow.loops.monitor import Circumstances, look
from shadow.settings import Policy, Settings
from shadow.stats import FoldSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A snapshot and the configuration it was taken with."""

    snapshot: Snapshot
    settings: Settings
    policy: Policy


def take_look(config: str, policy: Policy | None = None) -> Look:
    """Opens the configured ledger for reading and looks. `policy` answers what another policy says of the same evidence."""
    settings = validated(config).settings
    kinds = scorer_kinds(settings)
    asked = policy or settings.policy
    spec = FoldSpec.from_policy(asked, kinds)
    ledger = build_ledger(settings, read_only=True)
    try:
        at = Circumstances(now_unix_ms=time.time_ns() // 1_000_000, version=version("shadow-monitor"), leads=True)
        with ledger.snapshot() as reader:
            snapshot = look(reader, settings, spec, asked, kinds, at)
        return Look(snapshot=snapshot, settings=settings, policy=asked)
    finally:
        ledger.close()
