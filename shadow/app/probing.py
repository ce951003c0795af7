"""Known cases and the scorers' budgets, built from settings."""

import socket
from collections.abc import Mapping, Sequence

from shadow.allowance import Allowance, Used
from shadow.anchors.cases import Anchor
from shadow.clock import SystemClock
from shadow.loops.probing import Prober, Remembered
from shadow.scoring import Scoring
from shadow.settings import KafkaSource, Settings


def instance_of(settings: Settings) -> str:
    """This worker's name among others of the ledger: the configured one, else the machine's."""
    source = settings.source
    configured = source.instance_id if isinstance(source, KafkaSource) else None
    return configured or socket.gethostname()


def build_allowance(settings: Settings, used: Mapping[str, Used]) -> Allowance:
    """The budget of every scorer that has one."""
    budgets = {entry.label: entry.budget for entry in settings.scorers if entry.budget is not None}
    return Allowance(budgets, SystemClock(), {name: spent for name, spent in used.items() if name in budgets})


def build_prober(
    settings: Settings, scoring: Scoring, anchors: Sequence[Anchor], allowance: Allowance, past: Remembered
) -> Prober:
    """Known cases through the live scorers, where the last run of this worker left off."""
    return Prober(
        scoring,
        anchors,
        settings.anchors,
        instance=instance_of(settings),
        allowance=allowance,
        remembered=past,
        now_unix_ms=SystemClock().wall_unix_ms,
    )
