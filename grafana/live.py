"""Runs every query of a dashboard against a live Prometheus: `python -m grafana.live URL [FILE ...]`.

Nothing here is Grafana: variables are resolved and queries sent as Grafana would send them, results are counted.
"""

import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
BUILT_IN = {"__rate_interval": "20s", "__interval": "5s", "__range": "5m", "datasource": "prometheus"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_LABEL_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)")
_SECONDS = 10


class QueryError(Exception):
    """Prometheus refused a query or does not answer, or a dashboard asks for what it does not define."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One query of a panel or an annotation and what came back."""

    where: str
    panel: dict[str, Any] | None  # None for an annotation
    expression: str
    legend: str = ""
    instant: bool = False
    series: list[dict[str, Any]] = field(default_factory=list)


class Prometheus:
    """The HTTP API of a Prometheus. Blocks up to ten seconds a call; raises QueryError."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def _get(self, path: str, **parameters: Any) -> Any:
        url = f"{self._base}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as reply:  # noqa: S310 - the operator's own address
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(f"{error.code} {error.read()[:300]!r}") from None
        except urllib.error.URLError as error:
            raise QueryError(f"{self._base} does not answer: {error.reason}") from None

    def instant(self, query: str) -> list[dict[str, Any]]:
        """Series now."""
        found: list[dict[str, Any]] = self._get("query", query=query)["result"]
        return found

    def range(self, query: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """Series over the last seconds."""
        now = time.time()
        found: list[dict[str, Any]] = self._get("query_range", query=query, start=now - seconds, end=now, step=step)[
            "result"
        ]
        return found

    def values(self, selector: str, label: str) -> list[str]:
        """Values a label has among the series of a selector."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})
        return found


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels, those inside of rows too."""
    for panel in board.get("panels", []):
        yield panel
        yield from panel.get("panels") or []


def substitute(text: str, values: dict[str, str]) -> str:
    """Variables replaced. Raises QueryError for a name that the dashboard does not define."""

    def one(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise QueryError(f"unknown variable {name}")
        return values[name]

    return _VARIABLE.sub(one, text)


def kept(variable: dict[str, Any], values: list[str]) -> list[str]:
    """Values that a variable's `/pattern/flags` lets through."""
    match = re.fullmatch(r"/(.*)/(i?)", variable.get("regex") or "")
    if match is None:
        return values
    return [value for value in values if re.search(match[1], value, re.IGNORECASE if match[2] else 0)]


def variables(board: dict[str, Any], prometheus: Prometheus) -> dict[str, str]:
    """Every variable with everything chosen. Raises QueryError for one without any value."""
    chosen = dict(BUILT_IN)
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "textbox":
            chosen[name] = variable["query"]
        elif variable["type"] == "query":
            match = _LABEL_VALUES.fullmatch(variable["query"])
            if match is None:
                raise QueryError(f"variable {name}: {variable['query']!r} is not understood")
            found = prometheus.values(substitute(match[1], chosen), match[2])
            found = kept(variable, found)
            if not found:
                raise QueryError(f"variable {name} has no values")
            chosen[name] = variable.get("allValue") or "|".join(map(re.escape, found))
    return chosen


def run(board: dict[str, Any], prometheus: Prometheus, *, seconds: float = 300, step: float = 5) -> list[Answer]:
    """Every query of every panel and annotation, answered. Raises QueryError at the first that is refused."""
    values = variables(board, prometheus)
    answers = []
    for panel in panels(board):
        for target in panel.get("targets") or []:
            expression = substitute(target["expr"], values)
            instant = bool(target.get("instant"))
            series = prometheus.instant(expression) if instant else prometheus.range(expression, seconds, step)
            where = f"{panel['title']} [{target['refId']}]"
            legend = target.get("legendFormat", "")
            answers.append(
                Answer(where=where, panel=panel, expression=expression, legend=legend, instant=instant, series=series)
            )
    for annotation in board["annotations"]["list"]:
        expression = substitute(annotation["target"]["expr"], values)
        series = prometheus.range(expression, seconds, step)
        answers.append(
            Answer(where=f"annotation {annotation['name']}", panel=None, expression=expression, series=series)
        )
    return answers


def main(arguments: list[str]) -> int:
    """Prints every query without data; 1 when there are any, 2 when they could not be asked."""
    if not arguments:
        sys.stderr.write("usage: python -m grafana.live PROMETHEUS_URL [DASHBOARD.json ...]\n")
        return 2
    prometheus = Prometheus(arguments[0])
    empty = 0
    for path in map(Path, arguments[1:] or sorted(map(str, FOLDER.glob("*.json")))):
        try:
            answers = run(json.loads(path.read_text(encoding="utf-8")), prometheus)
        except QueryError as error:
            sys.stderr.write(f"{path.name}: {error}\n")
            return 2
        for answer in answers:
            if not answer.series:
                empty += 1
                sys.stdout.write(f"no data: {path.name}: {answer.where}: {answer.expression}\n")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
