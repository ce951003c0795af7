"""How often the statistics are wrong when somebody looks all the time: `python bench/statistics_coverage.py [--runs 400]`.

Every line is the share of runs in which a statement was false at *any* look; it has to stay at or below alpha = 5 % (plus
three standard errors of the simulation). Where a repeated fixed-sample test exists, its share stands beside it.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import gammainc, gammaln

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from statistics_streams import ALPHA, LOG_LEVEL, Z_ONE_SIDED, Looks, betting_path, bins, naive_z, paired

from shadow.stats import means, quantiles, rates, ratios
from shadow.stats.change import Detector
from shadow.stats.grid import D_BINS, EDGES_SECONDS, signed_bin
from shadow.stats.spec import Worth
from shadow.stats.state import Moments

LN_TWO_SIDED = math.log(2 / ALPHA)


class Line(NamedTuple):
    """One row: what was claimed, the share of runs that were ever wrong, and the naive test's share."""

    what: str
    wrong: float
    runs: int
    naive: float | None = None


def share(runs: int, wrong: Callable[[np.random.Generator], tuple[bool, bool | None]], what: str) -> Line:
    """Runs a simulation; `wrong` says for one run whether ours, and the naive test, were ever wrong."""
    results = [wrong(np.random.default_rng(10_000 + i)) for i in range(runs)]
    naive = [n for _, n in results if n is not None]
    return Line(what, sum(ours for ours, _ in results) / runs, runs, sum(naive) / runs if naive else None)


def difference_lines(runs: int, n: int) -> Iterator[Line]:
    looks = Looks(25, n)

    def no_change(rng: np.random.Generator) -> tuple[bool, bool | None]:
        c, b = paired(rng, n)
        e = betting_path(bins(rng, (c - b + 1) / 2, D_BINS), D_BINS, 0.5, "less", looks)
        return bool(e.max() >= LOG_LEVEL), bool((naive_z(c - b, 0, looks) < -Z_ONE_SIDED).any())

    yield share(runs, no_change, f"A/A called worse, look every 25 to {n:,}")

    def at_margin(rng: np.random.Generator) -> tuple[bool, bool | None]:
        d = np.clip(rng.normal(-0.05, 0.1, n), -1, 1)
        e = betting_path(bins(rng, (d + 1) / 2, D_BINS), D_BINS, (1 - 0.05) / 2, "greater", looks)
        return bool(e.max() >= LOG_LEVEL), bool((naive_z(d, -0.05, looks) > Z_ONE_SIDED).any())

    yield share(runs, at_margin, "mean_drop exactly at its margin, called proven")

    def risk_at_margin(rng: np.random.Generator) -> tuple[bool, bool | None]:
        d = (rng.random(n) < 0.015).astype(int) - (rng.random(n) < 0.01)
        e = betting_path(d + 1, 3, (1 + 0.005) / 2, "less", looks)
        return bool(e.max() >= LOG_LEVEL), bool((naive_z(d.astype(float), 0.005, looks) < -Z_ONE_SIDED).any())

    yield share(runs, risk_at_margin, "risk_difference exactly at its margin (1 % to 1.5 %), called proven")

    def mcnemar(rng: np.random.Generator) -> tuple[bool, bool | None]:
        c, b = rng.random(n) < 0.01, rng.random(n) < 0.01
        n10, n01 = np.cumsum(c & ~b), np.cumsum(~c & b)
        at = Looks(100, n).at - 1
        pairs = {(int(i), int(j)) for i, j in zip(n10[at], n01[at], strict=True) if i > j}
        d = c.astype(float) - b
        return (
            any(rates.log_e_mcnemar(i, j) >= LOG_LEVEL for i, j in pairs),
            bool((naive_z(d, 0, Looks(100, n)) > Z_ONE_SIDED).any()),
        )

    yield share(runs, mcnemar, "McNemar, both 1 %, called worse")


def worth_lines(runs: int, n: int) -> Iterator[Line]:
    """A linear utility of exactly 0: a better score pays for more violations, each worth 500 answers."""
    looks = Looks(50, n)
    worth = Worth(score_usd=0.01, violation_usd=0.5, max_cost_usd=0.02)

    def stream(rng: np.random.Generator) -> np.ndarray:
        c, b = paired(rng, n)
        violations = (rng.random(n) < 0.002).astype(float) - (rng.random(n) < 0.001)
        saved = rng.lognormal(-7.5, 0.5, n) - 0.4 * rng.lognormal(-7.5, 0.5, n)
        mean = -0.5 * 0.001 + math.exp(-7.5 + 0.5**2 / 2) * 0.6
        return np.asarray((0.01 * (c - b) - 0.5 * violations + np.minimum(saved, 0.02) - mean) / worth.range_usd)

    def at_zero(side: means.Side) -> Callable[[np.random.Generator], tuple[bool, bool | None]]:
        def wrong(rng: np.random.Generator) -> tuple[bool, bool | None]:
            y = stream(rng)
            u = rng.random(n)
            x = np.array([signed_bin(float(v), float(w)) for v, w in zip(y, u, strict=True)])
            e = betting_path(x, means.SIGNED_BINS, 0.5, side, looks)
            z = naive_z(y, 0, looks)
            return bool(e.max() >= LOG_LEVEL), bool(((z if side == "greater" else -z) > Z_ONE_SIDED).any())

        return wrong

    yield share(runs, at_zero("greater"), "linear utility exactly 0, called better in sum")
    yield share(runs, at_zero("less"), "linear utility exactly 0, called worse in sum")


def interval_lines(runs: int, n: int) -> Iterator[Line]:
    looks = Looks(50, n)

    def iid(rng: np.random.Generator) -> tuple[bool, bool | None]:
        c, b = paired(rng, n)
        x = bins(rng, (c - b + 1) / 2, D_BINS)
        wrong = any(betting_path(x, D_BINS, 0.5, side, looks).max() >= LN_TWO_SIDED for side in ("greater", "less"))
        at, d = looks.at, c - b
        mean = np.cumsum(d)[at - 1] / at
        sd = np.sqrt(np.cumsum(d * d)[at - 1] / at - mean**2)
        return wrong, bool((np.abs(mean) > 1.96 * sd / np.sqrt(at)).any())

    yield share(runs, iid, "interval of the mean difference (betting)")

    def asymptotic(rng: np.random.Generator) -> tuple[bool, bool | None]:
        c, b = paired(rng, n)
        at, d = looks.at[looks.at >= 500], c - b
        mean = np.cumsum(d)[at - 1] / at
        sd = np.sqrt(np.cumsum(d * d)[at - 1] / at - mean**2)
        margin = np.array([means.asymptotic_margin(float(k), ALPHA) for k in at])
        return bool((np.abs(mean) > sd * margin).any()), None

    yield share(runs, asymptotic, "interval of the mean difference (asymptotic, from 500 records)")

    def bernstein(rng: np.random.Generator) -> tuple[bool, bool | None]:
        c, b = paired(rng, n)
        x = (c - b + 1) / 2
        prediction = (np.concatenate([[0.0], np.cumsum(x)[:-1]]) + 0.5) / np.arange(1, n + 1)
        variance, total = np.cumsum((x - prediction) ** 2)[looks.at - 1], np.cumsum(x)[looks.at - 1]
        r = means.rho(100, ALPHA)
        worst = -math.inf
        for s in (total - looks.at * 0.5, looks.at * 0.5 - total):
            a, q = variance + r, s + variance + r
            with np.errstate(divide="ignore", invalid="ignore"):
                e = r * math.log(r) - gammaln(r) - math.log(gammainc(r, r)) + gammaln(a)
                e = e + np.log(gammainc(a, np.maximum(q, 1e-9))) - a * np.log(q) + s + variance
            worst = max(worst, float(np.max(np.where(q > 0, e, -np.inf))))
        return worst >= LN_TWO_SIDED, None

    yield share(runs, bernstein, "interval of the mean difference (empirical Bernstein)")

    def drifting(rng: np.random.Generator) -> tuple[bool, bool | None]:
        truth = 0.5 + 0.05 * np.sin(np.arange(n) / n * 9) - 0.02 * np.arange(n) / n
        x = bins(rng, np.clip(truth + rng.uniform(-0.2, 0.2, n), 0, 1), D_BINS)
        running = np.cumsum(truth) / np.arange(1, n + 1)
        for at in Looks(250, n).at:
            counts = {0: np.bincount(x[:at], minlength=D_BINS)}
            m = float(running[at - 1])
            if max(float(means.log_e_greater(counts, m)), float(means.log_e_less(counts, m))) >= LN_TWO_SIDED:
                return True, None
        return False, None

    yield share(max(runs // 4, 20), drifting, "interval against the running mean of a drifting stream")


def weighted_lines(runs: int, n: int) -> Iterator[Line]:
    def sample(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Offered requests: hard ones kept always (class 1/16), easy ones with 1/16 (class 1)."""
        hard = rng.random(n) < 0.3
        return hard, hard | (rng.random(n) < 1 / 16)

    def mean(rng: np.random.Generator) -> tuple[bool, bool | None]:
        hard, kept = sample(rng)
        x = np.where(hard, rng.beta(4, 6, n), rng.beta(6, 4, n))
        truth = 0.3 * 0.4 + 0.7 * 0.6
        chosen, exponent = x[kept], np.where(hard, 4, 0)[kept]
        look = Looks(50, len(chosen) // 50 * 50)
        b = bins(rng, chosen, D_BINS)
        wrong = any(
            betting_path(b, D_BINS, truth, side, look, exponent).max() >= LN_TWO_SIDED for side in ("greater", "less")
        )
        return wrong, bool((np.abs(naive_z(chosen, truth, look)) > 1.96).any())

    yield share(runs, mean, "weighted mean, hard requests oversampled 16 times")

    def binary(rng: np.random.Generator) -> tuple[bool, bool | None]:
        hard, kept = sample(rng)
        event = rng.random(n) < np.where(hard, 0.03, 0.002)
        truth = 0.3 * 0.03 + 0.7 * 0.002
        look = Looks(50, int(kept.sum()) // 50 * 50)
        e = [
            betting_path(event[kept].astype(int), 2, truth, s, look, np.where(hard, 4, 0)[kept])
            for s in ("greater", "less")
        ]
        return bool(max(e[0].max(), e[1].max()) >= LN_TWO_SIDED), None

    yield share(runs, binary, "weighted rate of a rare event")

    def quantile(rng: np.random.Generator) -> tuple[bool, bool | None]:
        hard, kept = sample(rng)
        fast = rng.random(n) < np.where(hard, 0.88, 0.98)
        truth = 0.3 * 0.88 + 0.7 * 0.98
        look = Looks(50, int(kept.sum()) // 50 * 50)
        e = [
            betting_path(fast[kept].astype(int), 2, truth, s, look, np.where(hard, 4, 0)[kept])
            for s in ("greater", "less")
        ]
        return bool(max(e[0].max(), e[1].max()) >= LN_TWO_SIDED), None

    yield share(runs, quantile, "weighted P95 of latency")

    def ratio(rng: np.random.Generator) -> tuple[bool, bool | None]:
        hard, kept = sample(rng)
        b = rng.lognormal(0, 0.5, n) * np.where(hard, 3, 1)
        c = b * rng.lognormal(0, 0.3, n) * np.where(hard, 0.3, 0.6)
        scale = math.exp(0.3**2 / 2)
        truth = scale * (0.3 * 3 * 0.3 + 0.7 * 0.6) / (0.3 * 3 + 0.7)
        for at in Looks(1000, n).at:
            sums = {}
            for exponent, part in ((4, hard), (0, ~hard)):
                chosen = part[:at] & kept[:at]
                sums[exponent] = _moments(c[:at][chosen], b[:at][chosen])
            found = ratios.paired_means({k: m for k, m in sums.items() if m.n})
            if found is None or found.n < 500:
                continue
            low, high = ratios.ratio_interval(found, ALPHA)
            if not low <= truth <= high:
                return True, None
        return False, None

    yield share(runs, ratio, "weighted cost ratio (Fieller, asymptotic)")


def rate_lines(runs: int, n: int) -> Iterator[Line]:
    at = Looks(100, n).at

    def rare(rng: np.random.Generator) -> tuple[bool, bool | None]:
        k = np.cumsum(rng.random(n) < 0.002)[at - 1]
        p = k / at
        naive = (np.abs(p - 0.002) > 1.96 * np.sqrt(np.maximum(p * (1 - p), 1e-12) / at)).any()
        return any(
            rates.log_e(int(i), int(j), 0.002, ALPHA, 5000) >= LOG_LEVEL for i, j in zip(k, at, strict=True)
        ), bool(naive)

    yield share(runs, rare, "interval of a rate of 0.2 % (beta-binomial)")

    def truncated(rng: np.random.Generator) -> tuple[bool, bool | None]:
        k = np.cumsum(rng.random(n) < 0.02)[at - 1]
        n_opt = rates.n_to_prove(0.02, ALPHA)
        e = max(rates.log_e_below(int(i), int(j), 0.02, ALPHA, n_opt) for i, j in zip(k, at, strict=True))
        return e >= LOG_LEVEL, bool((naive_z_rate(k, at, 0.02) < -Z_ONE_SIDED).any())

    yield share(runs, truncated, "rate exactly at its limit (2 %), called proven")

    def slo(rng: np.random.Generator) -> tuple[bool, bool | None]:
        over = np.cumsum(rng.random(n) < 0.05)[at - 1]
        found = (
            quantiles.log_e_share({0: (int(i), int(j))}, 0.95, ALPHA)[0]
            for i, j in zip(over[::5], at[::5], strict=True)
        )
        return any(e >= LOG_LEVEL for e in found), bool((naive_z_rate(over, at, 0.05) < -Z_ONE_SIDED).any())

    yield share(runs, slo, "P95 exactly at its limit, called proven")

    def p95_ratio(rng: np.random.Generator) -> tuple[bool, bool | None]:
        size = min(n, 20_000)
        c, b = 1.3 * rng.lognormal(0, 0.4, size), rng.lognormal(0, 0.4, size)
        edges = np.array(EDGES_SECONDS)
        of_c, of_b = np.searchsorted(edges, c), np.searchsorted(edges, b)
        for look in Looks(1000, size).at:
            _, high = quantiles.bounds({0: _sparse(of_c[:look])}, 0.95, ALPHA / 2)
            low, _ = quantiles.bounds({0: _sparse(of_b[:look])}, 0.95, ALPHA / 2)
            if low > 0 and high / low < 1.3:
                return True, None
        return False, None

    yield share(runs, p95_ratio, "P95 ratio exactly at its limit (1.3), called proven")

    def fieller(rng: np.random.Generator) -> tuple[bool, bool | None]:
        b = rng.lognormal(0, 0.6, n)
        c = b * rng.lognormal(-1.1, 0.4, n)
        truth = math.exp(-1.1 + 0.4**2 / 2)
        sums = [np.cumsum(v) for v in (c, b, c * c, c * b, b * b)]
        for look in Looks(500, n).at:
            mc, mb, cc, cb, bb = (float(s[look - 1]) / look for s in sums)
            found = ratios.PairedMeans(float(look), mc, mb, cc - mc * mc, bb - mb * mb, cb - mc * mb)
            low, high = ratios.ratio_interval(found, ALPHA)
            if not low <= truth <= high:
                return True, None
        return False, None

    yield share(runs, fieller, "cost ratio (Fieller, asymptotic)")


def change_lines(runs: int) -> Iterator[Line]:
    def quiet(rng: np.random.Generator) -> tuple[bool, bool | None]:
        detector = Detector(m0=-0.003)
        c, b = paired(rng, 2880 * 60)
        x = bins(rng, (c - b + 1) / 2, D_BINS).reshape(2880, 60)
        daily = (c - b).reshape(2880, 60).mean(axis=1)
        shewhart = bool((daily < -3 * (c - b).std() / math.sqrt(60)).any())
        for row in x:
            detector = detector.update({0: np.bincount(row, minlength=D_BINS)})
            if detector.active:
                return True, shewhart
        return False, shewhart

    yield share(
        max(runs // 10, 10), quiet, "change detector, false alarm within 2 days of minutes (beside it: 3 sigma)"
    )


def naive_z_rate(k: np.ndarray, n: np.ndarray, p: float) -> np.ndarray:
    return (k / n - p) / np.sqrt(p * (1 - p) / n)


def _moments(c: np.ndarray, b: np.ndarray) -> Moments:
    i, j = np.round(c * 1e6).astype(object), np.round(b * 1e6).astype(object)
    return Moments(len(c), int(i.sum()), int(j.sum()), int((i * i).sum()), int((i * j).sum()), int((j * j).sum()))


def _sparse(bin_of: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(bin_of, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--records", type=int, default=50_000)
    options = parser.parse_args()
    groups = (
        difference_lines(options.runs, options.records),
        worth_lines(options.runs, options.records),
        interval_lines(options.runs, options.records),
        weighted_lines(options.runs, options.records),
        rate_lines(options.runs, options.records),
        change_lines(options.runs),
    )
    print(f"| statement (alpha {ALPHA:g}) | ever wrong | repeated test | runs |\n|---|---:|---:|---:|")
    worst = 0
    started = time.monotonic()
    for group in groups:
        for line in group:
            bound = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / line.runs)
            worst += line.wrong > bound
            naive = "" if line.naive is None else f"{line.naive:.3f}"
            print(
                f"| {line.what} | {line.wrong:.3f}{' !' if line.wrong > bound else ''} | {naive} | {line.runs} |",
                flush=True,
            )
    print(f"\n{time.monotonic() - started:.0f} s; {worst} above alpha + 3 standard errors", flush=True)
    sys.exit(1 if worst else 0)


if __name__ == "__main__":
    main()
