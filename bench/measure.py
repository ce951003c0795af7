"""The method: interleaved pairs on one pinned core, CPU time per unit of work, the median of pair ratios against a goal.

Wall rates are never judged. A gate is the goal x 1.25; pairs that spread by more than 30 % give no verdict.
"""

import gc
import math
import os
import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from bench.running import die_with_parent

WARM_SECONDS = 0.3
GATE = 1.25
MOST_SPREAD = 0.30
MOST_LOAD = 3.0
"""Above this load average (two cores) a time in milliseconds says more about the neighbours than about us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long to measure: `pairs` interleaved pairs of windows of `seconds`."""

    quick: bool = False

    @property
    def pairs(self) -> int:
        """Pairs of windows, one of each side."""
        return 2 if self.quick else 5

    @property
    def seconds(self) -> float:
        """Length of a window."""
        return 0.4 if self.quick else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the closing table. `values` are the pair ratios, or plain figures in `unit` where there is no other side.

    `limit` is the goal, an upper bound; `skipped` says why there is nothing to judge.
    """

    id: str
    what: str
    limit: float
    values: tuple[float, ...] = ()
    unit: str = "x"
    note: str = ""
    skipped: str | None = None
    gated: bool = (
        True  # False: an absolute bound that holds as it stands, without the gate's slack or the spread's rule
    )
    load: float = 0.0

    @property
    def median(self) -> float | None:
        """The figure that is judged; None when nothing was measured."""
        return statistics.median(self.values) if self.values else None

    def verdict(self) -> str:
        """`met`, `met within the gate`, `MISSED`, `skipped: why`, or `no goal`."""
        middle = self.median
        if self.skipped is not None or middle is None:
            return f"skipped: {self.skipped or 'nothing was measured'}"
        if math.isinf(self.limit):
            return "no goal"
        spread = (max(self.values) - min(self.values)) / middle if middle > 0 else 0.0
        if self.gated and spread > MOST_SPREAD:
            return f"skipped: the pairs spread by {spread:.0%} (> 30 %)"
        if middle <= self.limit:
            return "met"
        return "met within the gate" if self.gated and middle <= self.limit * GATE else "MISSED"


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def pin(simulator_pid: int | None = None) -> None:
    """This process (and what it starts) on the first core, the simulator on the last."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return
    os.sched_setaffinity(0, {cores[0]})
    if simulator_pid is not None:
        os.sched_setaffinity(simulator_pid, {cores[-1]})


def cpu_seconds() -> float:
    """User and system time of this process with all threads, and of children that were waited for."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def quiet_garbage() -> None:
    """Before anything is in flight: a full collection in a window would be charged to whoever runs in it."""
    gc.collect()
    gc.freeze()


def interleave(pairs: int, ours: Callable[[], float], reference: Callable[[], float], unit: str) -> Sequence[float]:
    """Ratios ours / reference of interleaved windows, printed as they come; the order alternates from pair to pair."""
    ratios = []
    for number in range(pairs):
        if number % 2:
            mine, other = ours(), reference()
        else:
            other, mine = reference(), ours()
        ratios.append(mine / other)
        print(f"    reference {other:9.1f}  ours {mine:9.1f} {unit}  ratio {ratios[-1]:.3f}", flush=True)
    return ratios


def rows_of(name: str, options: Options) -> list[Row]:
    """The rows of one measured bench; called in a fresh process, so that no bench pays for another one's imports."""
    die_with_parent()
    return list(import_module(f"bench.{name}").run(options))
