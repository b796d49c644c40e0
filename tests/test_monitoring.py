"""The dashboard for Grafana and the alerts for Prometheus: of the form that these programs read, over real metrics."""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import jsonschema_rs
import msgspec
import promql_parser
import pytest
from harness import Result
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from audit.config import Profile
from audit.outcome import Outcome
from audit.review.check.finding import Severity
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
DASHBOARD = json.loads((EXAMPLES / "grafana.json").read_text())
ALERTS = EXAMPLES / "prometheus-alerts.yml"
SCHEMAS = Path(__file__).with_name("data") / "grafana-schemas.zip"
#: Versions of Grafana whose schemas are there.
GRAFANA = ("10.1", "11.6", "12")
#: Prometheus adds these labels to each series.
OF_TARGET = {"instance", "job"}
#: Metrics that no panel shows, with the reason.
LEFT_OUT: dict[str, str] = {}

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
#: The labels of each metric.
Series = dict[str, set[str]]


def panels() -> list[dict[str, Any]]:
    return [each for each in DASHBOARD["panels"] if each["type"] != "row"]


def variables() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in DASHBOARD["templating"]["list"]}


# The form.


@cache
def validator(version: str, name: str, part: str | None = None) -> jsonschema_rs.Validator:
    """A schema of Grafana, or a definition of it, which demands only what has no default."""
    with ZipFile(SCHEMAS) as schemas:
        schema = json.loads(schemas.read(f"{version}/{name}.jsonschema.json"))
    for each in schema["definitions"].values():
        known = each.get("properties", {})
        each["required"] = [field for field in each.get("required", []) if "default" not in known[field]]
    return jsonschema_rs.validator_for(schema | {"$ref": f"#/definitions/{part}"} if part else schema)


def parts_of(dashboard: dict[str, Any]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each part of a dashboard that has a schema of its own, with the name of the schema and of its definition."""
    yield dashboard, ("dashboard",)
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel["options"], (panel["type"], "Options")
            for target in panel["targets"]:
                yield target, ("prometheus",)
            if panel["type"] == "timeseries":
                yield panel["fieldConfig"]["defaults"]["custom"], ("timeseries", "FieldConfig")


def faults(dashboard: dict[str, Any], version: str) -> list[str]:
    return [
        f"{'.'.join(schema)}: {error.message}"
        for part, schema in parts_of(dashboard)
        for error in validator(version, *schema).iter_errors(part)
    ]


@pytest.mark.parametrize("version", GRAFANA)
def test_the_dashboard_is_one_by_the_schema_of_grafana(version: str) -> None:
    assert faults(DASHBOARD, version) == []


def _stat() -> int:
    return next(place for place, each in enumerate(DASHBOARD["panels"]) if each["type"] == "stat")


@pytest.mark.parametrize("version", GRAFANA)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panells",), []),
        (("refresh",), 5),
        (("panels", _stat(), "tittle"), "a title"),
        (("panels", _stat(), "gridPos", "w"), "6"),
        (("panels", _stat(), "targets", 0, "expression"), "up"),
        (("panels", _stat(), "targets", 0, "expr"), 1),
        (("panels", _stat(), "options", "textMode"), "names"),
        (("panels", _stat(), "fieldConfig", "defaults", "thresholds", "mode"), "relative"),
        (("templating", "list", 1, "multi"), "yes"),
    ],
)
def test_a_dashboard_with_a_wrong_field_is_not_one(version: str, path: tuple[Any, ...], value: object) -> None:
    wrong = copy.deepcopy(DASHBOARD)
    place = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert faults(wrong, version)


def test_each_panel_has_a_place_and_an_id_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_the_dashboard_names_no_data_source_of_its_author() -> None:
    sources = [each["datasource"] for panel in panels() for each in (panel, *panel["targets"])]
    sources += [each["datasource"] for each in variables().values() if each["type"] == "query"]
    assert {json.dumps(each) for each in sources} == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert variables()["datasource"]["type"] == "datasource"
    assert "id" not in DASHBOARD


# The queries.


@pytest.fixture(scope="module")
def kept() -> Series:
    return {}


@pytest.fixture
def series(kept: Series, api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Series:
    """The metrics, with their labels, that a run and a check of a profile really write."""
    if not kept:
        file = Profile("customer-a").config_file
        assert file
        file.parent.mkdir(parents=True)
        file.touch()
        monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
        monkeypatch.setenv("WEBEX_AUDIT_PROFILE", "customer-a")
        url = api(Simulation(Organization(30)))
        assert webex_audit("run", "--base-url", url, "--metrics-file", "run.prom").code == 0
        assert webex_audit("check", "--metrics-file", "check.prom").code == 1
        for path in tmp_path.glob("*.prom"):
            for family in text_string_to_metric_families(path.read_text()):
                for sample in family.samples:
                    kept.setdefault(sample.name, set()).update(sample.labels)
    return kept


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    """The selectors of a query.

    Raises:
        ValueError: it is not PromQL.
    """
    found: list[promql_parser.VectorSelector] = []

    def visit(each: promql_parser.Expr) -> None:
        if isinstance(each, promql_parser.MatrixSelector):
            found.append(each.vector_selector)
        elif isinstance(each, promql_parser.VectorSelector):
            found.append(each)

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def grouped(query: str) -> set[str]:
    """The labels by which a query groups."""
    found: set[str] = set()

    def visit(each: promql_parser.Expr) -> None:
        if isinstance(each, promql_parser.AggregateExpr) and each.modifier:
            found.update(each.modifier.labels)

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def unknown(query: str, series: Series) -> set[str]:
    """The metrics and labels of a query that do not exist."""
    names = selectors(query)
    of_metrics = set[str]().union(*(series.get(each.name or "", set()) for each in names)) | OF_TARGET
    wrong = {each.name or "a selector without a name" for each in names} - series.keys()
    for each in names:
        wrong |= {matcher.name for matcher in each.matchers.matchers} - series.get(each.name or "", set()) - OF_TARGET
    return wrong | grouped(query) - of_metrics


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def label_values() -> list[tuple[str, str]]:
    """The selector and the label of each variable that Grafana asks Prometheus for."""
    asked = [each["query"] for each in variables().values() if each["type"] == "query"]
    return [re.fullmatch(r"label_values\((.+), (\w+)\)", each).groups() for each in asked]  # type: ignore[misc,union-attr]


class Alert(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}):
    """An alert, as Prometheus reads it."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    lasts: str | None = None


class Group(msgspec.Struct, forbid_unknown_fields=True):
    """A group of alerts."""

    name: str
    rules: list[Alert]


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    """A file of rules."""

    groups: list[Group]


def alerts() -> list[Alert]:
    return [rule for group in msgspec.yaml.decode(ALERTS.read_bytes(), type=Rules).groups for rule in group.rules]


def test_each_query_names_only_metrics_and_labels_that_the_tool_writes(series: Series) -> None:
    for query in queries() + [each.expr for each in alerts()]:
        assert unknown(query, series) == set(), query
    for selector, label in label_values():
        assert unknown(f"sum by ({label}) ({selector})", series) == set()


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("webex_audit_last_run_exitcode != 0", "webex_audit_last_run_exitcode"),
        ("sum by (severity) (webex_audit_outcomes)", "severity"),
        ('webex_audit_findings{org_id="1"}', "org_id"),
        ("rate(webex_audit_requests_total[5m])", "webex_audit_requests_total"),
        ("time() - webex_audit_last_success_timestamp", "webex_audit_last_success_timestamp"),
        ('{__name__=~"webex_audit_.*"}', "a selector without a name"),
    ],
)
def test_a_misspelt_metric_or_label_is_found(query: str, wrong: str, series: Series) -> None:
    assert wrong in unknown(query, series)


@pytest.mark.parametrize("query", ["sum by dataset (webex_audit_outcomes)", "webex_audit_complete ==", "agee(up)"])
def test_what_is_not_promql_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        selectors(query)


def test_each_metric_is_on_the_dashboard_or_deliberately_left_out(series: Series) -> None:
    shown = {each.name for query in queries() for each in selectors(query)}
    assert shown | LEFT_OUT.keys() == series.keys()


def test_the_documentation_lists_each_metric_with_its_labels(series: Series) -> None:
    page = (EXAMPLES.parent / "scheduling.md").read_text().partition("## Metrics")[2]
    rows = re.findall(r"^\| `(webex_audit_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", labels)) for name, labels in rows} == {
        name: labels - {"profile"} for name, labels in series.items()
    }


def test_each_legend_names_a_label_that_its_query_keeps(series: Series) -> None:
    for panel in panels():
        for target in panel["targets"]:
            found = selectors(target["expr"])
            kept = grouped(target["expr"]) or set[str]().union(*(series[each.name or ""] for each in found)) | OF_TARGET
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]


def test_each_variable_exists_and_chooses_something() -> None:
    used = {name for query in queries() for name in re.findall(r"\$(\w+)", query)}
    assert used | {"datasource"} == variables().keys()


def test_a_time_has_the_unit_of_a_time() -> None:
    for panel in panels():
        names = {each.name or "" for target in panel["targets"] for each in selectors(target["expr"])}
        is_time = {name.endswith("_seconds") for name in names}
        assert is_time == {panel["fieldConfig"]["defaults"].get("unit") == "s"}, panel["title"]


def test_the_words_in_queries_are_words_of_the_tool() -> None:
    words = {"outcome": {str(each) for each in Outcome if each.is_complete}, "severity": set(map(str, Severity))}
    asked = queries() + [each.expr for each in alerts()]
    matchers = [matcher for query in asked for each in selectors(query) for matcher in each.matchers.matchers]
    found = {name: [set(each.value.split("|")) for each in matchers if each.name == name] for name in words}
    assert found["outcome"] == [words["outcome"]]
    assert found["severity"] == [{"critical", "high"}]


def test_the_dashboard_says_what_each_exit_code_of_a_run_means() -> None:
    page = (EXAMPLES.parent / "commands.md").read_text().partition("## Exit codes")[2]
    codes = set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE)) - {"1"}  # of the review
    (panel,) = (each for each in panels() if each["targets"][0]["expr"].startswith("webex_audit_last_run_exit_code"))
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"].keys() == codes
    assert all(each["text"].startswith(f"{code}: ") for code, each in mapping["options"].items())


# The alerts.


def test_each_alert_says_what_it_is() -> None:
    names = [each.alert for each in alerts()]
    assert len(names) == len(set(names)) > 4
    for each in alerts():
        assert each.annotations.keys() == {"summary", "description"}
        assert each.labels["severity"] in {"warning", "critical"}
        assert each.lasts is None or promql_parser.parse_duration(each.lasts)


NIGHT = 26 * 3600
_RUN = {"last_run_timestamp_seconds": 0, "last_run_exit_code": 0, "complete": 1, "last_success_timestamp_seconds": 0}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
@pytest.mark.parametrize(
    ("changed", "at_s", "expected"),
    [
        ({}, 3600, set()),
        ({}, NIGHT + 60, {"WebexAuditNotRun"}),
        ({}, 4 * 86400, {"WebexAuditNotRun", "WebexAuditNotComplete"}),
        ({"last_success_timestamp_seconds": None}, 3600, set()),
        (
            {"last_success_timestamp_seconds": None},
            4 * 86400,
            {"WebexAuditNotRun", "WebexAuditNeverComplete"},
        ),
        ({"last_run_exit_code": 2}, 3600, {"WebexAuditFailed"}),
        ({"last_run_exit_code": 5}, 3600, {"WebexAuditFailed"}),
        ({"last_run_exit_code": 70}, 3600, {"WebexAuditFailed"}),
        ({"last_run_exit_code": 6}, 3600, set()),
        ({"last_run_exit_code": 3, "complete": 0}, 3600, {"WebexAuditPartial"}),
        ({'findings{severity="high"}': 2}, 3600, {"WebexAuditFindings"}),
        ({'findings{severity="low"}': 2}, 3600, set()),
        ({"last_check_timestamp_seconds": 0}, NIGHT + 60, {"WebexAuditNotRun", "WebexAuditNotChecked"}),
        (dict.fromkeys(_RUN), 7200, {"WebexAuditMissing"}),
    ],
)
def test_an_alert_fires_when_it_should(
    changed: dict[str, int | None], at_s: int, expected: set[str], tmp_path: Path
) -> None:
    values = {name: value for name, value in (_RUN | changed).items() if value is not None}
    series = [{"series": f"webex_audit_{name}", "values": f"{value}x10000"} for name, value in values.items()]
    expressions = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{at_s}s",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)],
        }
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": expressions}
    file = tmp_path / "test.json"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    ran = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
