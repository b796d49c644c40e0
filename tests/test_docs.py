"""docs/datasets.md is held to the schemas, and its example works."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.dataset as ds
import pytest
from aiohttp import web

from audit.columns import null_of, source_of
from audit.datasets import DATASETS
from audit.simulator import answers
from audit.simulator.app import Simulation
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.context.admin_events import ADMIN_EVENTS
from audit.snapshot.coverage import COVERAGE_SCHEMA

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "datasets.md").read_text()
SCHEMAS = {"coverage": COVERAGE_SCHEMA} | {
    name: schema
    for tables in (*(each.tables for each in DATASETS.values()), CONTEXT)
    for name, schema in tables.items()
}


def test_the_page_is_what_the_schemas_say() -> None:
    assert runpy.run_path(str(DOCS / "datasets.py"))["with_tables"](PAGE) == PAGE, "run: make docs"


def test_every_column_tells_its_type_its_null_and_its_source() -> None:
    for name, schema in SCHEMAS.items():
        for field in schema:
            assert f"| `{field.name}` | {field.type} | {null_of(field)} | {source_of(field)} |" in PAGE, name


@pytest.mark.slow
def test_columns_that_are_never_null_are_not(audit: Callable[..., Snapshot]) -> None:
    scope: dict[str, Any] = {
        "scope__datasets": [name.replace("_", "-") for name in DATASETS],
        "scope__entities": ["workspace", "person", "virtual-line"],
        "scope__all_users": True,
        "run__admin_events": True,
    }
    snapshot = audit(Simulation(Organization(150, people=150, paging_groups=60)), **scope)
    for name, schema in SCHEMAS.items():
        table = ds.dataset(snapshot.path / name, partitioning="hive").to_table()
        assert table.num_rows > (3 if name == ADMIN_EVENTS else 50)
        nulls = {field.name: table[field.name].null_count for field in schema}
        assert {
            column for column, count in nulls.items() if count and null_of(schema.field(column)) == "never"
        } == set()


@pytest.mark.parametrize("entities", [{}, {"scope__entities": ["person"]}])
def test_the_dataset_of_the_example_works_as_it_stands(
    entities: dict[str, Any], audit: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    module = ModuleType("do_not_disturb")
    monkeypatch.setitem(sys.modules, "do_not_disturb", module)
    exec(source, module.__dict__)
    monkeypatch.setitem(DATASETS, "do_not_disturb", module.DO_NOT_DISTURB)
    monkeypatch.setitem(
        answers.FAULTY_ANSWERS,
        "do-not-disturb",
        lambda: web.json_response({"enabled": True, "ringSplashEnabled": None}),
    )

    class Answering(Faults):
        def next(self, url: str) -> str | None:
            return "do-not-disturb" if "doNotDisturb" in url else None

    organization = Organization(5, people=40)
    snapshot = audit(Simulation(organization, Answering()), scope__datasets=["do-not-disturb"], **entities)
    rows = ds.dataset(snapshot.path / "do_not_disturb", partitioning="hive").to_table().to_pylist()
    assert len(rows) == snapshot.manifest.outcomes["do_not_disturb"]["ok"] > 25
    assert {(row["enabled"], row["ring_splash_enabled"]) for row in rows} == {(True, None)}
