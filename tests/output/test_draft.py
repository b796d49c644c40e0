from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from audit.entity import Entity, EntityType, entity_table
from audit.errors import StoppedError
from audit.output import inventory as inventory_file
from audit.output.draft import Draft, create
from audit.output.held import Held
from audit.output.inventory import Gaps
from audit.output.journal import PartFacts
from audit.output.org_parts import OrgParts
from audit.output.unfinished import find_unfinished
from audit.snapshot.coverage import COVERAGE_SCHEMA

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
ORG = "8c9fd285-6500-4518-856e-eb836c6761d8"


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return create(tmp_path, NOW, {}, held=Held())


def entities(*ids: str) -> list[pa.Table]:
    return [entity_table(Entity(EntityType.PERSON, each) for each in ids)]


def write_part(draft: Draft, index: int, *, is_given_up: bool = False) -> None:
    facts = PartFacts({}, is_given_up)
    draft.partition(ORG, "d").write_part(index, {"coverage": COVERAGE_SCHEMA.empty_table()}, facts)


def test_the_batches_that_have_their_part_are_told(draft: Draft) -> None:
    draft.partition(ORG, "d").save_inventory(entities("a"), Gaps())
    assert draft.partition(ORG, "d").finished() == set()
    for index in (0, 7, 12_345):
        write_part(draft, index)
    assert draft.partition(ORG, "d").finished() == {0, 7, 12_345}


def test_parts_may_be_dropped_and_their_inventory_kept(draft: Draft) -> None:
    draft.partition(ORG, "d").save_inventory(entities("a", "b"), Gaps())
    write_part(draft, 0)
    draft.partition(ORG, "d").forget_parts()
    assert draft.partition(ORG, "d").finished() == set()
    inventory = draft.partition(ORG, "d").load_inventory()
    assert inventory is not None
    assert inventory.num_rows == 2


def test_parts_without_their_inventory_are_dropped(draft: Draft) -> None:
    inventory = draft.partition(ORG, "d").save_inventory(entities("a"), Gaps())
    write_part(draft, 0)
    assert isinstance(inventory.path, Path)
    inventory.path.unlink()
    assert draft.partition(ORG, "d").load_inventory() is None
    assert draft.partition(ORG, "d").finished() == set()


def test_what_was_refused_is_committed_with_its_reason_and_tried_again_by_a_resumed_run(draft: Draft) -> None:
    draft.partition(ORG, "other").save_inventory(entities("a"), Gaps())
    draft.partition(ORG, "d").refuse({"PERSON": "no scope"})
    found = draft.inventories(ORG, ["d", "other", "third"])
    assert {name: (each.num_rows, each.gaps.unlisted) for name, each in found.items()} == {
        "d": (0, {"PERSON": "no scope"}),
        "other": (1, {}),
    }
    assert find_unfinished(draft.output, {}, [], now=NOW, within_s=60, held=Held()) is not None
    assert draft.inventories(ORG, ["d", "other"]).keys() == {"other"}


def test_a_draft_with_nothing_but_refusals_is_not_worth_resuming(draft: Draft) -> None:
    draft.partition(ORG, "d").refuse({"PERSON": "no scope"})
    assert not draft.is_worth_resuming


def test_a_damaged_inventory_stops_a_commit_and_is_taken_anew(draft: Draft) -> None:
    path = draft.partition(ORG, "d").save_inventory(entities("a"), Gaps()).path
    write_part(draft, 0)
    path.write_bytes(b"ARROW1 no more")
    with pytest.raises(StoppedError, match=r"inventory\.arrow is damaged; a resumed run takes a new inventory"):
        draft.inventories(ORG, ["d"])
    assert draft.partition(ORG, "d").load_inventory() is None
    assert draft.partition(ORG, "d").finished() == set()


def test_an_entity_of_several_inventories_counts_once(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 2)
    for dataset, ids in {"one": "abcde", "two": "bdf", "three": ""}.items():
        draft.partition(ORG, dataset).save_inventory(entities(*ids), Gaps())
    for datasets, count in ((["one", "two", "three"], 6), (["two", "three"], 3), (["three"], 0)):
        assert OrgParts(ORG, None, draft.inventories(ORG, datasets)).entry([]).entities == count
