"""What a thousand acceptable answers of an arm cost: its failures and violations are paid for, too."""

from collections.abc import Mapping
from dataclasses import replace

from shadow.exporters.base import ArmView
from shadow.records import BASELINE
from shadow.stats.acceptable import acceptable_share
from shadow.stats.state import PairState


def priced(arm: ArmView, overall: Mapping[str, tuple[PairState, ...]]) -> ArmView:
    """With the cost of a thousand acceptable answers. The incumbent is judged beside the candidate with the most pairs."""
    if arm.role == "incumbent":
        compared = [states for name, states in overall.items() if name != BASELINE]
        most = max(compared, key=lambda states: sum(state.pairs for state in states), default=())
        share = acceptable_share(most, "reference")
    else:
        share = acceptable_share(overall.get(arm.arm, ()), "candidate")
    cost = arm.cost_usd_per_1k
    return replace(arm, cost_usd_per_1k_acceptable=cost / share if share and cost is not None else None)
