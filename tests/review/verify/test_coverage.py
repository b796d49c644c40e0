"""Coverage against inventory, and the manifest against coverage."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from tampering import SCHEMAS, Nights, check, recommit, rewrite, told

from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest, read_manifest


@pytest.mark.parametrize(
    ("change", "complaints"),
    [
        (lambda rows: rows.slice(1), ["but coverage has 8", "in coverage"]),
        (lambda rows: pa.concat_tables([rows.slice(0, 1), rows]), ["has two outcomes", "in coverage"]),
        (lambda rows: rows.take(list(range(len(rows)))[::-1]), ["is not in the order of the inventory"]),
    ],
)
def test_coverage_that_is_not_that_of_the_inventory_is_told(
    nights: Nights, change: Callable[[pa.Table], pa.Table], complaints: list[str]
) -> None:
    recommit(nights.third, "coverage", change)
    found = told(nights.third)
    assert all(complaint in found for complaint in complaints), found


@pytest.mark.parametrize("change", ["null", "absent"])
def test_coverage_without_its_ids_is_told(nights: Nights, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    index = COVERAGE_SCHEMA.get_field_index("entity_id")
    if change == "absent":
        monkeypatch.setitem(SCHEMAS, "coverage", COVERAGE_SCHEMA.remove(index))

    def changed(rows: pa.Table) -> pa.Table:
        nulls = pa.array([*rows["entity_id"].to_pylist()[:-1], None])
        return rows.remove_column(index) if change == "absent" else rows.set_column(index, rows.schema[index], nulls)

    recommit(nights.third, "coverage", changed)
    assert "coverage: is not as webex-audit writes it: " in told(nights.third)


def _org(manifest: Manifest, **changes: Any) -> dict[str, Any]:
    return {"orgs": [msgspec.structs.replace(manifest.orgs[0], **changes)]}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _: {"status": "partial"}, "the snapshot is partial, but its organizations make it complete"),
        (lambda it: _org(it, status="partial"), "is partial, but its outcomes make it complete"),
        (lambda it: _org(it, status="refused"), "is refused, but coverage has outcomes of it"),
        (lambda it: _org(it, message="stopped"), "is complete, but its outcomes make it partial"),
        (lambda it: _org(it, entities=10), "has 10 entities, but coverage has 9"),
        (lambda it: _org(it, org_id="00000000-0000-4000-8000-000000000000"), "does not name organization"),
        (lambda _: {"outcomes": {"push_to_talk": {"ok": 1}}}, "outcomes of push_to_talk are ok 1, but in coverage"),
        (lambda _: {"outcomes": {}}, "outcomes of push_to_talk are none, but in coverage"),
    ],
)
def test_a_manifest_that_coverage_does_not_bear_out_is_told(
    nights: Nights, change: Callable[[Manifest], dict[str, Any]], complaint: str
) -> None:
    rewrite(nights.third, **change(read_manifest(nights.third)))
    assert complaint in told(nights.third)
    # The names in CSV are compared with the same manifest.
    faults = [fault for fault in check(nights.third).faults if "names of the organizations" not in fault.message]
    assert all(fault.path == MANIFEST for fault in faults)
