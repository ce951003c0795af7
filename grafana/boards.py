"""What all dashboards share: variables, links between them, annotations, and their form on disk."""

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as dm

from grafana.panels import CANDIDATE, JOB, SOURCE

TAG = "shadow"
PAGES = "${pages}"


def variable(
    name: str, label: str, about: str, metric: str, of: str | None = None, *, regex: str = ""
) -> d.QueryVariable:
    """A choice among the values a label has now; everything by default."""
    query = f"label_values({metric}, {of or name})"
    choice = d.QueryVariable(name).label(label).description(about).datasource(SOURCE).query(query)
    choice.refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dm.VariableSort.ALPHABETICAL_ASC)
    choice.multi(True).include_all(True).current(dm.VariableOption(text="All", value="$__all", selected=True))
    return choice.regex(regex) if regex else choice.all_value(".+")


def candidate() -> d.QueryVariable:
    """Which candidates; the incumbent is shown beside them wherever a comparison makes sense."""
    return variable("candidate", "Candidate", "Candidates to show.", f"shadow_verdict{{{JOB}}}")


def route() -> d.QueryVariable:
    """Which routes of production."""
    return variable("route", "Route", "Routes of production to show.", f"shadow_requests_total{{{JOB}}}")


def _annotation(name: str, expression: str, color: str, title: str, keys: str) -> d.AnnotationQuery:
    query = d.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color)
    return query.title_format(title).tag_keys(keys).step("60s").target(_target(expression))


def _target(expression: str) -> Any:
    return prometheus.Dataquery().expr(expression).ref_id("Anno").datasource(SOURCE).range()


def board(uid: str, title: str, about: str, *, time: str = "now-6h") -> d.Dashboard:
    """An empty dashboard with the variables `datasource`, `job` and `pages`, links to the others, and annotations."""
    new = d.Dashboard(f"Shadow / {title}").uid(uid).tags([TAG, "llm"]).description(about)
    new.refresh("30s").time(time, "now").timezone("browser").readonly().tooltip(dm.DashboardCursorSync.CROSSHAIR)
    new.with_variable(d.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    new.with_variable(variable("job", "Deployment", "One job is one ledger.", "shadow_build_info"))
    pages = d.TextBoxVariable("pages").label("Shadow's pages").default_value("http://127.0.0.1:9464")
    new.with_variable(pages.description("Address of Shadow's own pages, for the links to answers side by side."))
    others = d.DashboardLink("Shadow").type(dm.DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(False)
    new.link(others.include_vars(True).keep_time(True).tooltip("The other dashboards, with the same choice and time"))
    answers = d.DashboardLink("Answers side by side").type(dm.DashboardLinkType.LINK).url(f"{PAGES}/calls")
    new.link(answers.icon("external link").target_blank(True).tooltip("Shadow's page of the worst answers"))
    whose = CANDIDATE if uid in ("shadow-candidate", "shadow-safety", "shadow-segments") else JOB
    verdict = f"shadow_verdict{{{whose}}} == 1 unless (shadow_verdict{{{whose}}} offset 1m == 1)"
    epoch = f"shadow_epoch{{{whose}}} unless (shadow_epoch{{{whose}}} == shadow_epoch{{{whose}}} offset 1m)"
    config = f"shadow_config_info{{{JOB}}} unless shadow_config_info{{{JOB}}} offset 1m"
    new.annotation(_annotation("Verdict changes", verdict, "purple", "{{candidate}}: {{verdict}}", "candidate,verdict"))
    new.annotation(_annotation("New epoch of evidence", epoch, "orange", "new epoch: {{candidate}}", "candidate"))
    new.annotation(_annotation("New configuration", config, "blue", "configuration {{hash}}", "hash,role"))
    return new


def row(title: str) -> d.Row:
    """A heading between panels."""
    return d.Row(title)


def to_json(builder: d.Dashboard) -> str:
    """The dashboard as it is committed: panels numbered, keys sorted."""
    built = builder.build()
    for number, panel in enumerate(built.panels or [], 1):
        panel.id_val = number  # the builder leaves panels without an id and gives every row the id 0
    found: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built))
    for choice in found["templating"]["list"]:
        if choice["type"] != "interval":
            for key in ("auto", "auto_min", "auto_count"):  # the builder writes them on every variable
                choice.pop(key, None)
    for link in found["links"]:
        link.pop("placement", None)  # the builder hides every link in a menu; a link is there to be seen
    return json.dumps(found, sort_keys=True, indent=1) + "\n"
