"""The same answers at another price: costs are proportional, and their ratio is known exactly."""

import math
import random

import pytest

from shadow.stats.ratios import PairedMeans, ratio_interval


@pytest.mark.parametrize("seed", range(20))
def test_proportional_costs_have_a_finite_interval_around_their_ratio(seed):
    rng = random.Random(seed)
    n = rng.randint(120, 4_000)
    costs = [rng.uniform(1e-4, 6e-4) for _ in range(n)]
    cheap = [c / 3 for c in costs]
    b, c = sum(costs) / n, sum(cheap) / n
    means = PairedMeans(
        n,
        c,
        b,
        sum(x * x for x in cheap) / n - c * c,
        sum(x * x for x in costs) / n - b * b,
        sum(x * y for x, y in zip(cheap, costs, strict=True)) / n - c * b,
    )

    low, high = ratio_interval(means, 0.0125)

    assert math.isfinite(high)
    assert low == pytest.approx(1 / 3, abs=1e-4)
    assert high == pytest.approx(1 / 3, abs=1e-4)
