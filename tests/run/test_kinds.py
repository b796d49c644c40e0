"""Each dataset is read for a kind of entity that it has; any other combination is refused in one line."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from aiohttp import web

from audit.columns import IDENTITY_SCHEMA, column
from audit.config import Settings
from audit.datasets import DATASETS, Dataset, Request
from audit.datasets.dataset import path_of
from audit.entity import Entity, EntityType
from audit.errors import UsageError
from audit.inventory import Users
from audit.run.retried import retried_scope
from audit.run.scope import scope_of
from audit.simulator import answers
from audit.simulator.app import Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.source import verified

Audit = Callable[..., Snapshot]
PERSON, WORKSPACE, LINE = EntityType.PERSON, EntityType.WORKSPACE, EntityType.VIRTUAL_LINE
SCOPES = {
    PERSON: "spark-admin:people_read",
    WORKSPACE: "spark-admin:workspaces_read",
    LINE: "spark-admin:telephony_config_read",
}


def make_dataset(name: str, *kinds: EntityType) -> Dataset:
    """A dataset of one flag, which stands at `/made/<id>/<name>`."""
    schema = pa.schema([*IDENTITY_SCHEMA, column("enabled", pa.bool_(), "`enabled`")])

    def request(entity: Entity, _: str | None) -> Request:
        return Request(path_of("/made/{}/", entity) + name)

    def flatten(subject: pa.Table, read: pa.Table) -> dict[str, pa.Table]:
        columns = [*subject.select(IDENTITY_SCHEMA.names).columns, read["enabled"]]
        return {name: pa.table(columns, schema=schema)}

    scopes = {kind: SCOPES[kind] for kind in kinds}
    return Dataset(name, scopes, request, pa.schema([("enabled", pa.bool_())]), ("enabled",), {name: schema}, flatten)


class Made(Faults):
    """Answers for the made datasets."""

    def next(self, url: str) -> str | None:
        return "made" if "/made/" in url else None


@pytest.fixture(autouse=True)
def _made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        make_dataset("greeting", PERSON),
        make_dataset("call_waiting", LINE),
        make_dataset("sharing", PERSON, LINE),
        make_dataset("light", WORKSPACE),
        replace(make_dataset("bare", PERSON), tables={}, flatten=lambda *_: {}),
        replace(DATASETS["audio_options"], name="options_too"),
    ]
    for dataset in made:
        monkeypatch.setitem(DATASETS, dataset.name, dataset)
    monkeypatch.setitem(answers.FAULTY_ANSWERS, "made", lambda: web.json_response({"enabled": True, "later": 1}))


def simulation() -> Simulation:
    return Simulation(Organization(5, people=8, virtual_lines=3), Made())


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("datasets", "entities", "read"),
    [
        (["greeting"], None, {"greeting": {"PERSON"}}),
        (["call-waiting"], None, {"call_waiting": {"VIRTUAL_LINE"}}),
        (["call_waiting", "call-waiting"], None, {"call_waiting": {"VIRTUAL_LINE"}}),
        (["light"], None, {"light": {"WORKSPACE"}}),
        (["sharing"], ["virtual-line"], {"sharing": {"VIRTUAL_LINE"}}),
        (["bare"], None, {"bare": {"PERSON"}}),
        (["bare", "greeting"], None, {"bare": {"PERSON"}, "greeting": {"PERSON"}}),
        (["light", "greeting"], ["person", "workspace"], {"light": {"WORKSPACE"}, "greeting": {"PERSON"}}),
        (["light", "sharing"], ["workspace", "person"], {"light": {"WORKSPACE"}, "sharing": {"PERSON"}}),
        (["greeting", "audio-options"], None, {"greeting": {"PERSON"}, "audio_options": {"PERSON"}}),
        (["paging-groups"], None, {"paging_groups": {"PAGING_GROUP"}}),
        (["light", "paging-groups"], None, {"light": {"WORKSPACE"}, "paging_groups": {"PAGING_GROUP"}}),
        (["paging-groups", "greeting"], None, {"paging_groups": {"PAGING_GROUP"}, "greeting": {"PERSON"}}),
        (["light", "audio-options"], ["workspace"], {"light": {"WORKSPACE"}, "audio_options": {"PERSON"}}),
    ],
)
def test_a_dataset_is_read_of_the_kinds_that_it_has(
    datasets: list[str], entities: list[str] | None, read: dict[str, set[str]], audit: Audit
) -> None:
    chosen = {"scope__entities": entities} if entities else {}
    snapshot = audit(simulation(), scope__datasets=datasets, **chosen)
    assert snapshot.manifest.status == "complete"
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    found = {name: {row["entity_type"] for row in rows if row["dataset"] == name} for name in read}
    assert found == read
    assert set(snapshot.manifest.outcomes) == set(read)
    # The users of a dataset by user would seem to be of the datasets beside it, too.
    listed = [kinds for name, kinds in read.items() if name != "audio_options"]
    assert set(snapshot.manifest.scope.entities) == set().union(*listed)


@pytest.mark.parametrize(
    ("datasets", "entities", "message"),
    [
        (["greeting"], ["workspace"], "greeting exists for person, not for workspace: use --entity person"),
        (
            ["call-waiting"],
            ["workspace", "person"],
            "call-waiting exists for virtual-line, not for workspace or person: use --entity virtual-line",
        ),
        (["sharing"], None, "sharing exists for person or virtual-line, not for workspace: use --entity person or"),
        (["push-to-talk", "greeting"], None, "greeting exists for person, not for workspace: add --entity person"),
        (["greeting", "call-waiting"], ["person"], "not for person: add --entity virtual-line"),
        (
            ["greeting"],
            ["person", "virtual-line"],
            "--entity virtual-line (scope.entities) selects nothing: greeting exists for person: use --entity person",
        ),
        (["light"], ["workspace", "person"], "--entity person (scope.entities) selects nothing"),
        (["paging-groups"], ["person"], "selects nothing: paging-groups exists for paging-group: leave out --entity"),
        (["paging-groups", "light"], ["person", "workspace"], "light exists for workspace: use --entity workspace"),
        (["audio-options"], ["workspace"], "audio-options exists for person: use --entity person"),
        (["audio-options", "light"], ["virtual-line", "workspace"], "--entity virtual-line (scope.entities) selects"),
    ],
)
def test_a_kind_that_makes_no_sense_is_refused_before_the_first_request(
    datasets: list[str], entities: list[str] | None, message: str, audit: Audit
) -> None:
    serving = simulation()
    chosen = {"scope__entities": entities} if entities else {}
    with pytest.raises(UsageError) as refused:
        audit(serving, scope__datasets=datasets, **chosen)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert serving.log == []


@pytest.mark.parametrize(
    ("flags", "selected", "advice"),
    [
        (
            {"scope__datasets": ["greeting"]},
            {"wanted": ["id"]},
            "use --dataset push-to-talk in place of --dataset greeting",
        ),
        (
            {"scope__datasets": ["paging-groups"]},
            {"wanted": ["id"]},
            "use --dataset push-to-talk in place of --dataset paging-groups",
        ),
        ({"scope__datasets": ["light", "paging-groups"]}, {"wanted": ["id"]}, "leave out --dataset paging-groups"),
        ({"scope__datasets": ["light", "greeting"]}, {"wanted": ["id"]}, "leave out --dataset greeting"),
        ({"scope__datasets": ["call-waiting"]}, {"users": Users("named", ("a@b.c",))}, "add --dataset audio-options"),
        ({"scope__datasets": ["options-too"], "scope__all_orgs": True}, {}, "or leave out --dataset options-too"),
    ],
)
def test_a_selection_that_a_dataset_can_not_take_is_refused(
    flags: dict[str, Any], selected: dict[str, Any], advice: str, settings: Callable[..., Settings]
) -> None:
    with pytest.raises(UsageError) as refused:
        scope_of(settings("http://127.0.0.1:1/v1", **flags), **selected)
    assert advice in str(refused.value)


def test_a_retry_reads_the_kind_of_its_snapshot(audit: Audit) -> None:
    customer = Organization(4, seed=2, people=6)
    failing = simulation()
    failing.customers, failing.faults_of = (customer,), {customer.org_id: parse("403=1!")}
    partial = audit(failing, scope__datasets=["greeting"], scope__all_orgs=True)
    assert {org.status for org in partial.manifest.orgs} == {"complete", "refused"}
    with verified(partial) as source:
        assert retried_scope(source).kinds == (PERSON,)
    healed = simulation()
    healed.customers = (customer,)
    whole = audit(healed, retry_failed=partial)
    assert whole.manifest.status == "complete"
    assert whole.manifest.scope.entities == ["PERSON"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "do-not-disturb"}, "'do-not-disturb' is not a name such as push_to_talk"),
        ({"tables": {"my table": pa.schema([])}}, "'my table' is not a name"),
        ({"scopes": {}}, "scopes names no kind of entity"),
    ],
)
def test_a_dataset_that_no_run_could_use_can_not_be_made(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(make_dataset("greeting", PERSON), **wrong)
