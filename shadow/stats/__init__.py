"""Paired, additive, anytime-valid statistics: state that adds up exactly, and inference that is a function of it.

The names here are the additive half, free of numpy. Inference lives in its modules: `means`, `rates`, `quantiles`,
`ratios`, `change`, `multiple`, `plan`, `mix`, `segments`.
"""

from shadow.stats.arms import ArmState, histogram_quantile
from shadow.stats.codec import merge_states
from shadow.stats.fold import OVERALL, fold_call, fold_calls, fold_into, spread
from shadow.stats.spec import FoldSpec, Metric, ScorerKind, parse_metric
from shadow.stats.state import Pair, PairState, total

__all__ = [
    "OVERALL",
    "ArmState",
    "FoldSpec",
    "Metric",
    "Pair",
    "PairState",
    "ScorerKind",
    "fold_call",
    "fold_calls",
    "fold_into",
    "histogram_quantile",
    "merge_states",
    "parse_metric",
    "spread",
    "total",
]
