"""Draws what a dashboard's panels hold, from a live Prometheus: `python -m grafana.preview URL FOLDER [CANDIDATE]`.

A preview, not a screenshot: Grafana has no part in it. Layout, titles, queries and figures are the dashboard's; colours
and scales are only like it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from grafana.drawing import DIM, INK, box, figures, lines, table, text, timeline
from grafana.live import FOLDER, Answer, Prometheus, QueryError, kept, panels, substitute, variables

COLUMN, UNIT, MARGIN, HEADER = 50, 26, 4, 58
MOST_BYTES = 200_000
NOTE = "Preview drawn from live Prometheus data, not opened in Grafana"


def _answers(panel: dict[str, Any], values: dict[str, str], prometheus: Prometheus, seconds: float) -> list[Answer]:
    found = []
    for target in panel.get("targets") or []:
        expression = substitute(target["expr"], values)
        instant = bool(target.get("instant"))
        series = prometheus.instant(expression) if instant else prometheus.range(expression, seconds, seconds / 60)
        name = target.get("legendFormat", "")
        found.append(
            Answer(
                where=panel["title"], panel=panel, expression=expression, legend=name, instant=instant, series=series
            )
        )
    return found


def _body(panel: dict[str, Any], answers: list[Answer], frame: tuple[float, float, float, float], now: float) -> str:
    unit = panel["fieldConfig"]["defaults"].get("unit", "none")
    kind = panel["type"]
    if kind == "stat":
        return figures(panel, answers[0], frame, unit, now)
    if kind == "state-timeline":
        return timeline(panel, answers[0], frame)
    if kind == "table":
        return table(panel, answers[0], frame, unit, now)
    custom = panel["fieldConfig"]["defaults"].get("custom") or {}
    stack = (custom.get("stacking") or {}).get("mode") == "normal"
    return lines(answers, frame, unit, now, stack=stack)


def draw(board: dict[str, Any], prometheus: Prometheus, *, candidate: str | None = None, seconds: float = 120) -> str:
    """One dashboard as SVG, with one candidate chosen where it has that variable. A repeated panel is drawn once."""
    values, now = variables(board, prometheus), time.time()
    if candidate is not None and "candidate" in values:
        values["candidate"] = candidate
    height = HEADER + UNIT * max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels(board)) + MARGIN
    width = 24 * COLUMN
    chosen = f"Candidate {values['candidate']}. " if values.get("candidate", ".+") != ".+" else ""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Inter, Helvetica, Arial, sans-serif">',
        f"<title>{board['title']}: {NOTE}</title>",
        box(0, 0, width, height, "#111217"),
        text(12, 24, board["title"], size=18, bold=True),
        text(12, 45, f"{chosen}{NOTE}. Last {seconds:.0f} s of a simulated run.", size=12, color="#ffcb7d"),
    ]
    for panel in panels(board):
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + MARGIN, HEADER + place["y"] * UNIT
        w, h = place["w"] * COLUMN - 2 * MARGIN, place["h"] * UNIT - MARGIN
        if panel["type"] == "row":
            out.append(text(x + 2, y + 17, f"▾ {panel['title']}", size=13, color=INK, bold=True))
            continue
        mine, title = values, panel["title"]
        if name := panel.get("repeat"):
            first = _first(board, name, values, prometheus)
            mine = {**values, name: first}
            title = f"{substitute(title, mine)} (one panel for each {name})"
        out += [box(x, y, w, h, "#181b1f", 'rx="2" stroke="#2a2d33"'), text(x + 8, y + 16, title, size=11, bold=True)]
        frame = (x + 8.0, y + 24.0, w - 16.0, h - 32.0)
        out.append(_body(panel, _answers(panel, mine, prometheus, seconds), frame, now))
    out.append(text(width - 8, height - 4, NOTE, size=9, color=DIM, anchor="end"))
    return "\n".join([*out, "</svg>"]) + "\n"


def _first(board: dict[str, Any], name: str, values: dict[str, str], prometheus: Prometheus) -> str:
    variable = next(v for v in board["templating"]["list"] if v["name"] == name)
    selector, label = variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    choices = kept(variable, prometheus.values(substitute(selector, values), label))
    preferred = [value for value in choices if value in ("quality", "safety")]
    return (preferred or choices)[0]


def main(arguments: list[str]) -> int:
    """Writes one picture per dashboard; 1 when one is too large to commit, 2 when nothing could be drawn."""
    if len(arguments) not in (2, 3):
        sys.stderr.write("usage: python -m grafana.preview PROMETHEUS_URL FOLDER [CANDIDATE]\n")
        return 2
    prometheus, folder = Prometheus(arguments[0]), Path(arguments[1])
    candidate = arguments[2] if len(arguments) == 3 else None
    code = 0
    for path in sorted(FOLDER.glob("*.json")):
        try:
            picture = draw(json.loads(path.read_text(encoding="utf-8")), prometheus, candidate=candidate)
        except QueryError as error:
            sys.stderr.write(f"{path.name}: {error}\n")
            return 2
        (folder / f"{path.stem}.svg").write_text(picture, encoding="utf-8")
        if len(picture.encode()) > MOST_BYTES:
            sys.stderr.write(f"{path.stem}.svg is larger than {MOST_BYTES} bytes\n")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
