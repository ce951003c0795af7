"""Draws docs/pictures/peeking.svg: how many A/A comparisons have been called "worse" by the time of each look."""

import argparse
import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from statistics_streams import LOG_LEVEL, Z_ONE_SIDED, Looks, betting_path, bins, naive_z, paired

from shadow.stats.grid import D_BINS

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 64, 150, 56, 56


def simulate(runs: int, looks: Looks) -> tuple[np.ndarray, np.ndarray]:
    """Share of runs called worse up to each look: by repeated z tests, and by the betting mixture."""
    naive, ours = np.zeros(len(looks.at)), np.zeros(len(looks.at))
    for i in range(runs):
        rng = np.random.default_rng(i)
        c, b = paired(rng, looks.n)
        naive += np.maximum.accumulate(naive_z(c - b, 0.0, looks) < -Z_ONE_SIDED)
        path = betting_path(bins(rng, (c - b + 1) / 2, D_BINS), D_BINS, 0.5, "less", looks)
        ours += np.maximum.accumulate(path >= LOG_LEVEL)
    return naive / runs, ours / runs


def draw(looks: Looks, runs: int, naive: np.ndarray, ours: np.ndarray) -> str:
    top = 0.6
    first, last = math.log10(looks.at[0]), math.log10(looks.n)

    def x(n: float) -> float:
        return LEFT + (math.log10(n) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - share / top * (HEIGHT - TOP - BOTTOM)

    def line(values: np.ndarray, colour: str) -> str:
        keep = np.unique(np.geomspace(1, len(values), 160).astype(int)) - 1
        points = " ".join(f"{x(float(looks.at[i])):.1f},{y(float(values[i])):.1f}" for i in keep)
        return f'<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="{points}"/>'

    end = WIDTH - RIGHT + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13" role="img" '
        'aria-label="Share of comparisons of a model with itself that were called worse, by number of records">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="16" fill="#222">A model compared with itself, called "worse" at some look</text>',
        f'<text x="{LEFT}" y="43" fill="#666">share of {runs} simulated comparisons; somebody looks every {looks.every} records</text>',
    ]
    for tick in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end" fill="#444">{tick:.0%}</text>')
    for n in (100, 1000, 10_000, 50_000):
        parts.append(f'<text x="{x(n):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#444">{n:,}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts += [
        f'<text x="{middle:.0f}" y="{HEIGHT - 14}" text-anchor="middle" fill="#444">records so far (logarithmic)</text>',
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(0.05):.1f}" y2="{y(0.05):.1f}" stroke="#222" stroke-dasharray="5 4"/>',
        f'<text x="{end}" y="{y(0.05) - 6:.1f}" fill="#222">promised: 5 %</text>',
        line(naive, "#c0392b"),
        line(ours, "#1f6f8b"),
        f'<text x="{end}" y="{y(float(naive[-1])) + 4:.1f}" fill="#c0392b">repeated test {naive[-1]:.0%}</text>',
        f'<text x="{end}" y="{y(float(ours[-1])) + 12:.1f}" fill="#1f6f8b">Shadow {ours[-1]:.1%}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "docs/pictures/peeking.svg")
    options = parser.parse_args()
    looks = Looks(25, 50_000)
    naive, ours = simulate(options.runs, looks)
    options.out.write_text(draw(looks, options.runs, naive, ours), encoding="utf-8")
    print(f"{options.out.name}: repeated test {naive[-1]:.3f}, Shadow {ours[-1]:.3f}")


if __name__ == "__main__":
    main()
