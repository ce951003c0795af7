"""A snapshot for terminals: one screen for `shadow status`, a compact table for live views."""

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shadow.exporters.base import ArmView, CandidateView, Snapshot
from shadow.exporters.peaks import ArmPeaks, ordered
from shadow.records import INCUMBENT
from shadow.verdict.result import GateResult

NO_DATA = Text("no data", style="dim italic")
_WORDS = {"promote": ("✓ promote", "bold green"), "reject": ("✗ reject", "bold red"), "hold": ("‖ hold", "bold cyan")}
_STATES = {"up": "green", "down": "bold red", "warming": "yellow", "paused": "yellow", "stopped": "dim"}
_MOST_SENTENCES = 8


def _plain(text: str) -> Text:
    """Text as data: no markup is read from it, control characters cannot move the cursor."""
    return Text("".join(c if c.isprintable() else "?" for c in text))


def _word(word: str) -> Text:
    text, style = _WORDS[word]
    return Text(text, style=style)


def _state(arm: ArmView | None) -> Text:
    state = arm.state if arm is not None else None
    return Text(state or "unknown", style=_STATES.get(state or "", "dim"))


def _seconds(value: float | None) -> Text:
    if value is None:
        return NO_DATA
    return Text(f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s")


def _usd(value: float | None) -> Text:
    return NO_DATA if value is None else Text(f"${value:.3g}")


def _percent(value: float | None) -> Text:
    return NO_DATA if value is None else Text(f"{100 * value:.2f} %")


def _failures(arm: ArmView) -> Text:
    inside = arm.failures.get("unavailable", 0)
    calls = arm.outcomes - inside
    return _percent((sum(arm.failures.values()) - inside) / calls if calls > 0 else None)


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _lag(snapshot: Snapshot) -> str:
    lags = [max(0, p.end_offset - p.next_offset) for p in snapshot.partitions if p.end_offset is not None]
    return f"{sum(lags):,}" if lags else "no data"


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in set(right) else "left", no_wrap=column != "why")
    return table


def _head(snapshot: Snapshot) -> Text:
    fresh = snapshot.last_scored_unix_ms
    newest = "no data" if fresh is None else f"{_age(snapshot.at_unix_ms - fresh)} ago"
    head = Text.assemble(
        ("Shadow ", "bold"),
        (f"{snapshot.version}  ", "dim"),
        f"read {snapshot.read:,}   scored {snapshot.dispositions.get('scored', 0):,}   lag {_lag(snapshot)}   newest {newest}   ",
    )
    residual = snapshot.residual
    head.append(
        "accounted" if residual == 0 else f"{residual:,} unaccounted", style="green" if residual == 0 else "bold red"
    )
    if not snapshot.leads:
        head.append("   another process decides", style="dim")
    return head


def _gate(gate: GateResult) -> str:
    to_go = f", {gate.records_to_go:,} to go" if gate.records_to_go is not None else ""
    return f"{gate.id} {gate.state.replace('_', ' ')}{to_go}"


def _gates(view: CandidateView) -> Text:
    gates = view.verdict.gates
    if not gates:
        return NO_DATA
    open_gates = [gate for gate in gates if gate.state != "proven"]
    proven = len(gates) - len(open_gates)
    text = Text(f"{proven}/{len(gates)} proven")
    for gate in sorted(open_gates, key=lambda g: g.state != "violated"):
        text.append("; ")
        text.append(_gate(gate), style="red" if gate.state == "violated" else "")
    return text


def _verdicts(snapshot: Snapshot) -> RenderableType:
    parts: list[RenderableType] = []
    for view in snapshot.candidates:
        verdict = view.verdict
        line = Text.assemble(_word(verdict.word), "  ", (verdict.candidate, "bold"), f"  n {verdict.n:,}")
        if view.since_unix_ms is not None:
            line.append(f"  for {_age(snapshot.at_unix_ms - view.since_unix_ms)}", style="dim")
        details = [_plain(verdict.sentence), _gates(view)]
        details += [_plain(f"{hold.reason}: {hold.detail}") for hold in verdict.holds if hold.detail][:_MOST_SENTENCES]
        parts += [line, Padding(Group(*details), (0, 0, 1, 4))]
    return Group(*parts) if parts else Text("no candidate is configured", style="dim")


def _arms(snapshot: Snapshot) -> Table:
    numbers = ("available", "calls", "failures", "P50", "P95", "TTFT P95", "$/1k")
    table = _table("arm", "state", *numbers, right=numbers)
    for arm in snapshot.arms:
        table.add_row(
            _plain(arm.arm),
            _state(arm),
            _percent(arm.availability),
            f"{arm.outcomes:,}",
            _failures(arm),
            _seconds(arm.latency.p50),
            _seconds(arm.latency.p95),
            _seconds(arm.ttft.p95),
            _usd(arm.cost_usd_per_1k),
        )
    return table


def _acceptable(snapshot: Snapshot) -> Iterable[Text]:
    """What a thousand answers cost that neither failed nor violated, of the arms of which that is known."""
    known = [arm for arm in snapshot.arms if arm.cost_usd_per_1k_acceptable is not None]
    if known:
        costs = (Text.assemble(_plain(arm.arm), " ", _usd(arm.cost_usd_per_1k_acceptable)) for arm in known)
        yield Text("Per 1,000 acceptable answers: ") + Text(", ").join(costs)


def _coverage(snapshot: Snapshot) -> Text:
    counts = sorted(snapshot.dispositions.items(), key=lambda item: (-item[1], item[0]))
    shown = "   ".join(f"{name} {count:,}" for name, count in counts if count)
    return Text(shown or "nothing was read yet", style="" if shown else "dim")


def render_status(snapshot: Snapshot) -> RenderableType:
    """One screen: what needs a person first, then verdicts, arms, and what became of everything read."""
    parts: list[RenderableType] = [_head(snapshot), Text()]
    if snapshot.needs_person:
        parts.append(Text("Needs a person", style="bold yellow"))
        parts += [Text("  • ", style="yellow") + _plain(s) for s in snapshot.needs_person[:_MOST_SENTENCES]]
        hidden = len(snapshot.needs_person) - _MOST_SENTENCES
        parts += [Text(f"  and {hidden} more", style="dim")] if hidden > 0 else []
        parts.append(Text())
    parts += [_verdicts(snapshot), _arms(snapshot), *_acceptable(snapshot), Text(), _coverage(snapshot)]
    parts += [Text("note: ", style="dim") + _plain(note) for note in snapshot.notes[:_MOST_SENTENCES]]
    return Group(*parts)


def render_memory(peaks: Mapping[str, ArmPeaks]) -> RenderableType:
    """What the servers held at most, by how many calls were in flight when a call was sent."""
    numbers = ("in flight", "calls", "GPU", "host", "KV cache", "waiting")
    table = _table("arm", *numbers, right=numbers)
    notes: list[RenderableType] = []
    for arm, kept in peaks.items():
        for load, one in ordered(kept.classes):
            peak = one.peak
            table.add_row(
                _plain(arm),
                Text(load),
                f"{one.calls:,}",
                _size(peak.gpu_bytes),
                _size(peak.host_bytes),
                NO_DATA if peak.kv_cache_ratio is None else Text(f"{peak.kv_cache_ratio:.0%}"),
                NO_DATA if peak.waiting is None else Text(f"{peak.waiting:g}"),
            )
            if one.out_of_memory:
                said = f": {one.out_of_memory:,} of {one.calls:,} calls at {load} in flight ended out of memory"
                notes.append(Text(f"{arm}{said}", style="bold red"))
        if kept.preemptions:
            notes.append(Text(f"{arm}: its engine preempted {kept.preemptions:,.0f} requests for want of KV memory"))
    return Group(Text("\nMemory under load: the most that was held while so many calls were in flight"), table, *notes)


def _size(value: float | None) -> Text:
    return NO_DATA if value is None else Text(f"{value / 2**30:.2f} GiB")


def render_live(snapshot: Snapshot) -> RenderableType:
    """A few lines that may be drawn again and again: one row per candidate, the incumbent above them."""
    arms = {arm.arm: arm for arm in snapshot.arms}
    numbers = ("pairs", "gates", "failures", "P95", "$/1k")
    table = _table("", "arm", "verdict", *numbers, "why", right=numbers)
    incumbent = arms.get(INCUMBENT)
    if incumbent is not None:
        table.add_row(
            _state(incumbent), Text(INCUMBENT, style="dim"), "", f"{incumbent.outcomes:,}", "",
            _failures(incumbent), _seconds(incumbent.latency.p95), _usd(incumbent.cost_usd_per_1k), "",
        )  # fmt: skip
    for view in snapshot.candidates:
        verdict, arm = view.verdict, arms.get(view.verdict.candidate)
        proven = sum(gate.state == "proven" for gate in verdict.gates)
        table.add_row(
            _state(arm),
            _plain(verdict.candidate),
            _word(verdict.word),
            f"{verdict.n:,}",
            f"{proven}/{len(verdict.gates)}" if verdict.gates else NO_DATA,
            _failures(arm) if arm is not None else NO_DATA,
            _seconds(arm.latency.p95 if arm is not None else None),
            _usd(arm.cost_usd_per_1k if arm is not None else None),
            _plain(verdict.sentence),
        )
    return Group(_head(snapshot), table)
