"""Context tables: they belong to an organization and to no dataset, from the draft to the snapshot."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from tampering import check, recommit, rewrite, told

from audit.config import OutputSettings
from audit.entity import Entity, EntityType, entity_table
from audit.errors import StoppedError, UsageError
from audit.output.commit import RunFacts, commit
from audit.output.context import ContextTable
from audit.output.draft import Draft, create, open_draft
from audit.output.held import Held
from audit.output.inventory import Gaps
from audit.output.journal import PartFacts
from audit.output.org_parts import OrgParts
from audit.output.seal import Keys
from audit.output.unfinished import find_unfinished
from audit.review.query.query import ask
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES, WORKSPACE_DEVICES_SCHEMA
from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.manifest import Requests, Scope, read_manifest

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
ORG = "8c9fd285-6500-4518-856e-eb836c6761d8"
OTHER = "9c9fd285-6500-4518-856e-eb836c6761d8"
KEYS = Keys(own=b"k" * 32)


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return create(tmp_path, NOW, {}, held=Held(), keys=KEYS)


def devices(*ids: str, org_id: str = ORG, status: str = "connected") -> pa.Table:
    rows = [
        {"org_id": org_id, "workspace_id": f"room of {each}", "device_id": each, "connection_status": status}
        for each in ids
    ]
    return pa.Table.from_pylist(rows, schema=WORKSPACE_DEVICES_SCHEMA)


def ids_of(table: ContextTable | None) -> list[str]:
    assert table
    return [each for rows in table.rows() for each in rows["device_id"].to_pylist()]


def again(draft: Draft, keys: Keys = KEYS) -> Draft:
    """The same draft, as another writer sees it."""
    opened = open_draft(draft.folder, Held(), keys)
    assert opened
    return opened


def file_of(draft: Draft) -> Path:
    (path,) = Path(str(draft.folder)).rglob(f"{WORKSPACE_DEVICES}/*.arrow")
    return path


def commit_devices(draft: Draft, *tables: pa.Table, gap: str | None = None, **settings: Any) -> Snapshot:
    """Commit a snapshot with the devices of two organizations, of which the other has no context table."""
    orgs = []
    for org_id in (ORG, OTHER):
        rooms = sorted({room for rows in tables for room in rows["workspace_id"].to_pylist()})
        entities = entity_table(Entity(EntityType.WORKSPACE, room) for room in rooms)
        inventory = draft.partition(org_id, "d").save_inventory([entities], Gaps())
        asked = [{"org_id": org_id, "dataset": "d", "entity_id": room, "outcome": "ok"} for room in rooms]
        coverage = pa.Table.from_pylist(asked, schema=COVERAGE_SCHEMA)
        draft.partition(org_id, "d").write_part(0, {"coverage": coverage}, PartFacts({}))
        orgs.append(OrgParts(org_id, f"Name of {org_id[0]}", {"d": inventory}))
    draft.context(ORG).write(WORKSPACE_DEVICES, tables, gap)
    table = draft.context(ORG).table(WORKSPACE_DEVICES)
    assert table
    orgs[0] = OrgParts(ORG, orgs[0].name, orgs[0].inventories, context={WORKSPACE_DEVICES: table})
    facts = RunFacts(NOW, "https://h/v1", Scope(["d"], ["WORKSPACE"]), Requests(0, 0, 0))
    return commit(draft, facts, orgs, {"d": {}}, OutputSettings(**settings))


def test_a_table_is_read_as_it_was_written_also_by_a_run_that_resumes(draft: Draft) -> None:
    draft.context(ORG).write(WORKSPACE_DEVICES, [devices("a", "b"), devices(), devices("c")], "one is not known")
    for each in (draft, again(draft)):
        found = each.context(ORG).load(WORKSPACE_DEVICES)
        assert found
        assert (ids_of(found), found.gap) == (["a", "b", "c"], "one is not known")
    assert draft.context(OTHER).load(WORKSPACE_DEVICES) is None


def test_rows_are_written_as_they_come_and_read_in_bounded_tables(draft: Draft) -> None:
    def rooms() -> Iterator[pa.Table]:
        for number in range(45):
            yield devices(*(f"{number:03}-{each:04}" for each in range(1000)))

    draft.context(ORG).write(WORKSPACE_DEVICES, rooms())
    found = draft.context(ORG).table(WORKSPACE_DEVICES)
    assert found
    assert [rows.num_rows for rows in found.rows()] == [10_000] * 4 + [5000]


def test_nothing_that_stands_is_replaced_and_a_reader_stays_with_one_file(draft: Draft) -> None:
    first, late = draft.context(ORG), again(draft).context(ORG)
    names = {
        first.write(WORKSPACE_DEVICES, [devices("a")]),
        late.write(WORKSPACE_DEVICES, [devices("b")]),
        late.write(WORKSPACE_DEVICES, [devices("c")]),
    }
    assert len(names) == 3
    assert (ids_of(first.load(WORKSPACE_DEVICES)), ids_of(late.table(WORKSPACE_DEVICES))) == (["a"], ["c"])
    chosen = {tuple(ids_of(again(draft).context(ORG).table(WORKSPACE_DEVICES))) for _ in range(3)}
    assert len(chosen) == 1


def test_whoever_names_a_file_gets_no_other(draft: Draft) -> None:
    context = draft.context(ORG)
    first = context.write(WORKSPACE_DEVICES, [devices("a")])
    context.write(WORKSPACE_DEVICES, [devices("b")])
    assert ids_of(context.load(WORKSPACE_DEVICES, first)) == ["a"]
    assert context.load(WORKSPACE_DEVICES, "ffffffff.0") is None
    with pytest.raises(StoppedError, match=r"ffffffff\.0\.arrow is damaged; a resumed run reads it anew"):
        context.table(WORKSPACE_DEVICES, "ffffffff.0")


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
    ids=["cut off", "empty", "a flipped bit", "another digest"],
)
def test_a_damaged_context_table_stops_the_commit_and_is_read_anew(damage: Any, draft: Draft) -> None:
    draft.context(ORG).write(WORKSPACE_DEVICES, [devices("a")])
    path = file_of(draft)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoppedError, match="is damaged; a resumed run reads it anew"):
        ids_of(draft.context(ORG).table(WORKSPACE_DEVICES))
    assert again(draft).foreign_file() == path
    assert again(draft).context(ORG).load(WORKSPACE_DEVICES) is None
    assert not path.exists()


@pytest.mark.attack("what is read back")
def test_a_context_table_of_another_organization_is_not_taken(draft: Draft) -> None:
    draft.context(OTHER).write(WORKSPACE_DEVICES, [devices("a")])
    path = file_of(draft)
    planted = path.parent.parent.parent.parent / ORG / "_context" / WORKSPACE_DEVICES / path.name
    planted.parent.mkdir(parents=True)
    planted.write_bytes(path.read_bytes())
    assert draft.context(ORG).load(WORKSPACE_DEVICES) is None


@pytest.mark.attack("what is read back")
def test_a_draft_with_a_planted_context_table_is_not_resumed(draft: Draft) -> None:
    draft.partition(ORG, "d").save_inventory([], Gaps())
    draft.context(ORG).write(WORKSPACE_DEVICES, [devices("a")])
    stranger = open_draft(draft.folder, Held(), Keys())
    assert stranger
    path = file_of(draft)
    path.with_name("00000000.0.arrow").write_bytes(path.read_bytes())
    assert find_unfinished(draft.output, {}, [], now=NOW, within_s=60, held=Held(), keys=KEYS) is None


def test_a_draft_without_context_tables_is_resumed(draft: Draft) -> None:
    draft.partition(ORG, "d").save_inventory([], Gaps())
    found = find_unfinished(draft.output, {}, [], now=NOW, within_s=60, held=Held(), keys=KEYS)
    assert found
    assert found.context(ORG).table(WORKSPACE_DEVICES) is None


def test_a_committed_table_is_in_parquet_and_csv_and_verified(draft: Draft) -> None:
    snapshot = commit_devices(draft, devices("=b", "a"), devices("c"), gap="one is not known")
    assert snapshot.manifest.tables[WORKSPACE_DEVICES].rows == 3
    assert {org.org_id: org.context for org in snapshot.manifest.orgs} == {
        ORG: {WORKSPACE_DEVICES: "one is not known"},
        OTHER: {},
    }
    assert snapshot.manifest.status == "complete"
    assert isinstance(snapshot.path, Path)
    lines = (snapshot.path / f"{WORKSPACE_DEVICES}.csv").read_text().splitlines()
    assert lines[0].startswith('"org_id","org_name","workspace_id","device_id"')
    assert lines[1].startswith(f'"{ORG}","Name of 8","room of \'=b","\'=b"')
    assert check(snapshot.path).faults == []
    with ask(snapshot, f"SELECT org_name, device_id FROM {WORKSPACE_DEVICES}") as rows:
        assert [each for batch in rows.batches for each in batch.to_pylist()][2] == {
            "org_name": "Name of 8",
            "device_id": "c",
        }


@pytest.mark.parametrize("formats", [["csv"], ["parquet"]])
def test_a_table_is_written_in_the_formats_that_were_asked_for(formats: list[str], draft: Draft) -> None:
    snapshot = commit_devices(draft, devices("a"), formats=formats, csv_per_org=True)
    assert isinstance(snapshot.path, Path)
    assert [each.path.rpartition(".")[2] for each in snapshot.manifest.tables[WORKSPACE_DEVICES].files] == formats
    assert check(snapshot.path).faults == []


def test_a_table_that_no_organization_has_does_not_exist(draft: Draft) -> None:
    inventory = draft.partition(ORG, "d").save_inventory([], Gaps())
    facts = RunFacts(NOW, "https://h/v1", Scope(["d"], ["WORKSPACE"]), Requests(0, 0, 0))
    draft.context(ORG).write(WORKSPACE_DEVICES, [devices("a")])
    snapshot = commit(draft, facts, [OrgParts(ORG, None, {"d": inventory})], {"d": {}}, OutputSettings())
    assert snapshot.manifest.tables.keys() == {"coverage"}


def test_the_status_of_a_device_does_not_change_the_digest_of_its_table(tmp_path: Path) -> None:
    digests = set()
    for status in ("connected", "disconnected", "a new word"):
        draft = create(tmp_path, NOW, {}, held=Held())
        digests.add(commit_devices(draft, devices("a", status=status)).manifest.tables[WORKSPACE_DEVICES].digest)
    assert len(digests) == 1


@pytest.fixture
def committed(draft: Draft) -> Path:
    path = commit_devices(draft, devices("a", "b")).path
    assert isinstance(path, Path)
    return path


@pytest.mark.attack("what is read back")
def test_a_forged_row_of_a_context_table_is_found(committed: Path) -> None:
    digest = read_manifest(committed).tables[WORKSPACE_DEVICES].digest
    entry = recommit(committed, WORKSPACE_DEVICES, lambda rows: rows.slice(1))
    rewrite(
        committed,
        tables=read_manifest(committed).tables | {WORKSPACE_DEVICES: msgspec.structs.replace(entry, digest=digest)},
    )
    assert f"table {WORKSPACE_DEVICES} has the digest" in told(committed)


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("owner", [OTHER, "7c9fd285-6500-4518-856e-eb836c6761d8"])
def test_a_context_table_of_an_organization_that_does_not_have_it_is_found(owner: str, committed: Path) -> None:
    orgs = read_manifest(committed).orgs
    others = [msgspec.structs.replace(org, context={}) for org in orgs]
    named = [
        msgspec.structs.replace(org, context={WORKSPACE_DEVICES: None} if org.org_id == owner else {}) for org in orgs
    ]
    rewrite(committed, orgs=named)
    assert f"{WORKSPACE_DEVICES} has files of organization {ORG}, which does not have the table" in told(committed)
    rewrite(committed, orgs=others)
    assert f"has the table {WORKSPACE_DEVICES}, but no organization has it" in told(committed)


@pytest.mark.attack("manifest")
@pytest.mark.parametrize("table", sorted(CONTEXT))
def test_a_context_table_that_is_missing_is_found_and_not_reviewed(table: str, draft: Draft) -> None:
    snapshot = commit_devices(draft, devices("a"))
    assert isinstance(snapshot.path, Path)
    manifest = read_manifest(snapshot.path)
    orgs = [msgspec.structs.replace(org, context={table: None}) for org in manifest.orgs]
    rewrite(snapshot.path, tables={"coverage": manifest.tables["coverage"]}, orgs=orgs)
    assert f"has no table {table}, but an organization has it" in told(snapshot.path)
    forged = Snapshot(snapshot.path, read_manifest(snapshot.path))
    with pytest.raises(UsageError, match=f"lacks the table {table}, which its scope promises"), ask(forged, "SELECT 1"):
        pass


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("room of b", "b"), ("room of a", "a")], "is not in order"),
        ([("room of a", "a"), ("room of a", "a")], "has a device twice"),
        ([("room of a", "b"), ("room of a", "a")], "has a device twice"),
        ([("room of a", "a"), ("room of a", None)], "has a device twice, or both a device and none"),
        ([("room of a", None), ("room of a", "a")], "has a device twice, or both a device and none"),
        ([("room of a", None), ("room of a", None)], "has a device twice, or both a device and none"),
        ([("room of a", "a"), ("room of aa", "b")], "workspace room of aa is in no inventory"),
        ([("room of a", "a"), ("room of z", "b")], "workspace room of z is in no inventory"),
        ([(None, "a")], "a column without nulls has a null"),
    ],
)
def test_devices_that_no_listing_can_have_given_are_found(
    rows: list[tuple[str | None, str | None]], fault: str, committed: Path
) -> None:
    """As an attacker writes them who can make every digest fit."""
    forged = [{"org_id": ORG, "workspace_id": room, "device_id": device} for room, device in rows]
    recommit(committed, WORKSPACE_DEVICES, lambda _: pa.Table.from_pylist(forged, schema=WORKSPACE_DEVICES_SCHEMA))
    assert fault in told(committed)
