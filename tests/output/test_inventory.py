from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.entity import INVENTORY_SCHEMA, Entity, EntityType, entity_table
from audit.errors import StoppedError
from audit.output import inventory as inventory_file
from audit.output.inventory import BATCH_SIZE, Gaps, Inventory, write_inventory
from audit.output.seal import Seal

PATH = Path("inventory.arrow")


def entities(count: int) -> pa.Table:
    return entity_table(Entity(EntityType.PERSON, f"{number:07d}", site_urls=["a", "b"]) for number in range(count))


@given(st.lists(st.integers(0, 2 * BATCH_SIZE), max_size=5))
def test_the_batches_are_those_of_the_size_whatever_came(sizes: list[int]) -> None:
    table = entities(sum(sizes))
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    gaps = Gaps({"PERSON": "why"}, {"WORKSPACE": 3})
    write_inventory(PATH, (table.slice(*piece) for piece in zip(starts, sizes, strict=True)), gaps, Seal())
    inventory = Inventory.open(PATH, Seal())
    assert (inventory.num_rows, inventory.gaps) == (table.num_rows, gaps)
    batches = list(inventory.batches())
    assert [index for index, _ in batches] == list(range(len(batches)))
    assert [rows.num_rows for _, rows in batches[:-1]] == [BATCH_SIZE] * (len(batches) - 1)
    assert pa.concat_tables([INVENTORY_SCHEMA.empty_table(), *(rows for _, rows in batches)]).equals(table)


def test_batches_that_are_done_are_passed_over_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 10)
    write_inventory(PATH, [entities(25)], Gaps(), Seal())
    inventory = Inventory.open(PATH, Seal())
    assert [index for index, _ in inventory.batches({0, 2})] == [1]
    assert (inventory.rows_in({0, 2}), inventory.rows_in(()), inventory.rows_in({0, 1, 2})) == (15, 0, 25)


def test_an_inventory_that_is_damaged_while_it_is_read_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 10)
    write_inventory(PATH, [entities(25)], Gaps(), Seal())
    inventory = Inventory.open(PATH, Seal())
    PATH.write_bytes(PATH.read_bytes()[:100])
    with pytest.raises(StoppedError, match="is damaged; a resumed run takes a new inventory"):
        list(inventory.batches())
    with pytest.raises(StoppedError, match="is damaged"):
        inventory.check()


@pytest.mark.parametrize(
    "metadata", [None, {"webex-audit.gaps": "{"}, {"webex-audit.gaps": "[]"}, {"webex-audit": "{}"}]
)
def test_a_file_of_another_kind_or_an_older_form_is_no_inventory(metadata: dict[str, str] | None) -> None:
    schema = INVENTORY_SCHEMA.with_metadata(metadata)
    with pa.OSFile(str(PATH), "wb") as file, pa.ipc.new_file(file, schema):
        pass
    with pytest.raises(StoppedError, match="is damaged; a resumed run takes a new inventory"):
        Inventory.open(PATH, Seal())


def test_a_file_with_other_columns_is_no_inventory() -> None:
    schema = INVENTORY_SCHEMA.remove(len(INVENTORY_SCHEMA) - 1).with_metadata({"webex-audit.gaps": "{}"})
    with pa.OSFile(str(PATH), "wb") as file, pa.ipc.new_file(file, schema):
        pass
    with pytest.raises(StoppedError, match="is damaged; a resumed run takes a new inventory"):
        Inventory.open(PATH, Seal())
