"""The few kinds of panels that every dashboard is made of, with what each of them has to say: title, unit, what to do."""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import common as cb
from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common as cm
from grafana_foundation_sdk.models import dashboard as dm
from grafana_foundation_sdk.models import prometheus as pm

SOURCE = cm.DataSourceRef(type_val="prometheus", uid="${datasource}")
JOB = 'job=~"$job"'
CANDIDATE = f'{JOB}, candidate=~"$candidate"'
ARM = f'{JOB}, arm=~"incumbent|baseline|$candidate"'

Step = tuple[float | None, str]
Query = tuple[str, str]
"""An expression and the legend of its series."""

VERDICTS: dict[str, tuple[str, str]] = {"1": ("hold", "blue"), "2": ("promote", "green"), "3": ("reject", "red")}
ARM_STATES: dict[str, tuple[str, str]] = {
    "1": ("up", "green"),
    "2": ("warming", "blue"),
    "3": ("paused", "yellow"),
    "4": ("stopped", "text"),
    "5": ("down", "red"),
}
GATE_STATES: dict[str, tuple[str, str]] = {
    "1": ("proven", "green"),
    "2": ("undecided", "blue"),
    "3": ("uncalibrated", "yellow"),
    "4": ("not evaluable", "orange"),
    "5": ("violated", "red"),
}
SEGMENT_STATES: dict[str, tuple[str, str]] = {
    "1": ("not worse", "green"),
    "2": ("insufficient evidence", "blue"),
    "3": ("worse", "red"),
}
LOWER_IS_FINE: tuple[Step, ...] = ((None, "green"), (1, "red"))


def one_of(metric: str, selector: str, label: str, by: str, words: Sequence[str]) -> str:
    """A state set as one number: 1 for the first word, 2 for the second, so that panels can map it to words and colours."""
    terms = [f'{n} * max by ({by}) ({metric}{{{selector}, {label}="{word}"}})' for n, word in enumerate(words, 1)]
    return " + ".join(terms)


def rate(metric: str, by: str, selector: str = JOB) -> str:
    """Events per second, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def share(events: str, calls: str) -> str:
    """Events as a share of calls. Counters of events that never happened have no series yet: beside calls that is 0."""
    return f"({events} or 0 * {calls}) / {calls}"


def _queries(panel: Any, queries: Sequence[Query], *, instant: bool, fmt: pm.PromQueryFormat | None = None) -> None:
    for number, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE)
        query = query.ref_id(chr(ord("A") + number))
        query = query.instant() if instant else query.range()
        panel.with_target(query.format(fmt) if fmt is not None else query)


def _mapping(words: dict[str, tuple[str, str]]) -> dm.ValueMap:
    results = {
        key: dm.ValueMappingResult(text=text, color=color, index=n)
        for n, (key, (text, color)) in enumerate(words.items())
    }
    return dm.ValueMap(options=results)


def _thresholds(steps: Sequence[Step]) -> d.ThresholdsConfig:
    wanted = [dm.Threshold(value=value, color=color) for value, color in steps]
    return d.ThresholdsConfig().mode(dm.ThresholdsMode.ABSOLUTE).steps(wanted)


def series(
    title: str, unit: str, about: str, *queries: Query, span: int = 8, floor: float | None = 0
) -> timeseries.Panel:
    """Lines over time. `floor` is the least end of the axis; None where values may be negative."""
    panel = timeseries.Panel().title(title).description(about).datasource(SOURCE).unit(unit).height(8).span(span)
    panel.fill_opacity(6).line_width(1).show_points(cm.VisibilityMode.NEVER).no_value("no data")
    legend = cb.VizLegendOptions().display_mode(cm.LegendDisplayMode.LIST).placement(cm.LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(True).calcs([]))
    panel.tooltip(cb.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING))
    if floor is not None:
        panel.min(floor)
    _queries(panel, queries, instant=False)
    return panel


def stacked(title: str, unit: str, about: str, *queries: Query, span: int = 8) -> timeseries.Panel:
    """Shares of a whole over time."""
    panel = series(title, unit, about, *queries, span=span)
    return panel.stacking(cb.StackingConfig().mode(cm.StackingMode.NORMAL).group("A")).fill_opacity(30)


def limits(panel: timeseries.Panel, *steps: Step) -> timeseries.Panel:
    """Draws the values at which somebody should act as dashed lines."""
    style = cb.GraphThresholdsStyleConfig().mode(cm.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(_thresholds(((None, "transparent"), *steps))).thresholds_style(style)


def figure(
    title: str,
    unit: str,
    about: str,
    query: Query,
    steps: Sequence[Step] = ((None, "text"),),
    *,
    words: dict[str, tuple[str, str]] | None = None,
    span: int = 4,
    no_value: str = "no data",
) -> stat.Panel:
    """One number (or word) now. No data is said in words and never looks like zero."""
    panel = stat.Panel().title(title).description(about).datasource(SOURCE).unit(unit).height(5).span(span)
    panel.reduce_options(cb.ReduceDataOptions().calcs(["lastNotNull"]))  # the builder's default is an empty list
    panel.thresholds(_thresholds(steps)).no_value(no_value).graph_mode(cm.BigValueGraphMode.NONE)
    panel.color_mode(cm.BigValueColorMode.BACKGROUND if words or len(steps) > 1 else cm.BigValueColorMode.VALUE)
    panel.text_mode(cm.BigValueTextMode.VALUE_AND_NAME if query[1] else cm.BigValueTextMode.VALUE)
    if words:
        panel.mappings([_mapping(words)])
    _queries(panel, [query], instant=True)
    return panel


def states(
    title: str, about: str, query: Query, words: dict[str, tuple[str, str]], *, span: int = 12
) -> statetimeline.Panel:
    """Words over time, one row per series."""
    panel = statetimeline.Panel().title(title).description(about).datasource(SOURCE).unit("none").height(8).span(span)
    panel.mappings([_mapping(words)]).show_value(cm.VisibilityMode.AUTO).row_height(0.8).no_value("no data")
    panel.color_scheme(d.FieldColor().mode(dm.FieldColorModeId.FIXED).fixed_color("text"))
    _queries(panel, [query], instant=False)
    return panel


def grid(
    title: str,
    unit: str,
    about: str,
    expression: str,
    columns: dict[str, str],
    *,
    span: int = 12,
    no_value: str = "no data",
) -> table.Panel:
    """A table of what holds now: label to heading, in order; the value's heading under the key `Value`."""
    panel = table.Panel().title(title).description(about).datasource(SOURCE).unit(unit).height(8).span(span)
    panel.no_value(no_value)
    _queries(panel, [(expression, "")], instant=True, fmt=pm.PromQueryFormat.TABLE)
    names = list(columns)
    hidden = {"Time": True} if "Value" in columns else {"Time": True, "Value": True}
    options = {"excludeByName": hidden, "indexByName": {n: i for i, n in enumerate(names)}, "renameByName": columns}
    return panel.with_transformation(dm.DataTransformerConfig(id_val="organize", options=options))


def matrix(title: str, unit: str, about: str, expression: str, row: str, column: str, *, span: int = 12) -> table.Panel:
    """A table with one row per value of `row` and one column per value of `column`."""
    panel = table.Panel().title(title).description(about).datasource(SOURCE).unit(unit).height(8).span(span)
    panel.no_value("no data").decimals(4)
    _queries(panel, [(expression, "")], instant=True, fmt=pm.PromQueryFormat.TABLE)
    options = {"columnField": column, "rowField": row, "valueField": "Value"}
    return panel.with_transformation(dm.DataTransformerConfig(id_val="groupingToMatrix", options=options))
