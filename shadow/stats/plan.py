"""How many more records until something can be decided."""

import math
from collections.abc import Callable

from scipy.special import ndtri

from shadow.stats.means import N_OPT, asymptotic_margin

_MOST = 1e9


def plan_n(effect: float, sd: float, alpha: float, *, n_opt: float = N_OPT, power: float = 0.8) -> float:
    """Records until an effect (distance to the margin, > 0) is proven with this power; infinity when it never is.

    Solves effect = sd (one-sided margin(n, alpha) + z_power / sqrt(n)) by geometric bisection on [2, 1e9]. Conservative
    by 10 to 100 % against simulation.
    """
    if effect <= 0 or sd < 0:
        return math.inf
    z = float(ndtri(power))

    def proven(n: float) -> bool:
        return effect >= sd * (asymptotic_margin(n, alpha, n_opt, two_sided=False) + z / math.sqrt(n))

    return bisect(proven, 2.0)


def smallest_difference(n: float, sd: float, alpha: float, *, n_opt: float = N_OPT, power: float = 0.8) -> float:
    """The smallest difference that n records show with this power; infinity for n < 2. The inverse of `plan_n`."""
    if n < 2:
        return math.inf
    return sd * (asymptotic_margin(n, alpha, n_opt, two_sided=False) + float(ndtri(power)) / math.sqrt(n))


def bisect(holds: Callable[[float], bool], first: float, most: float = _MOST) -> float:
    """Smallest n in [first, most] for which `holds` becomes true (to 1 %), by geometric bisection; infinity when none does."""
    if holds(first):
        return first
    low, high = first, first
    while not holds(high):
        if high >= most:
            return math.inf
        low, high = high, min(high * 4.0, most)
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def remaining(planned: float, n: float) -> int | None:
    """Records still to come of a plan, at least 1; None when it never ends."""
    return None if not math.isfinite(planned) else max(1, math.ceil(planned - n))
