"""The queries of docs/reading.md for Power BI and Excel, compared with a snapshot: nothing here can run them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from nights import NightlyClock, Nights, make_nights
from page import BLOCKS

from audit.datasets import DATASETS
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA

QUERIES = {kind: BLOCKS[f"powerquery {kind}"] for kind in ("parquet", "csv")}
SCHEMAS: dict[str, pa.Schema] = {COVERAGE: COVERAGE_SCHEMA, **CONTEXT}
for _dataset in DATASETS.values():
    SCHEMAS |= _dataset.tables
TYPES = {"bool": "type logical", "int32": "Int64.Type", "timestamp[us, tz=UTC]": "type datetimezone"}
#: The columns of `Folder.Files` that matter here.
OF_FILES = {"Content", "Name", "Folder Path"}


@pytest.fixture(scope="module")
def made() -> list[Nights]:
    return []


@pytest.fixture
def clock() -> NightlyClock:
    return NightlyClock()


@pytest.fixture
def nights(
    audit: Callable[..., Snapshot], clock: NightlyClock, made: list[Nights], tmp_path_factory: pytest.TempPathFactory
) -> Nights:
    if not made:
        made.append(make_nights(audit, clock, tmp_path_factory.mktemp("made") / "snapshots"))
    return made[0]


def code(query: str) -> str:
    """A query without its comments."""
    return re.sub(r"^ *//.*\n", "", query, flags=re.MULTILINE)


def steps(query: str) -> dict[str, str]:
    """The expression of each step."""
    body, _, _ = code(query).partition("let\n")[2].rpartition("\nin\n")
    return dict(re.findall(r"^    (\w+) = (.*?)(?:,\n|\Z)(?=    \w+ = |\s*\Z)", body, re.DOTALL | re.MULTILINE))


def wanted(query: str) -> str:
    return json.loads(steps(query)["Wanted"])  # type: ignore[no-any-return]


def joined(expression: str, **values: str) -> str:
    """A text such as `"/" & Latest & ".csv"` with the values of its names."""
    parts = [each.strip() for each in expression.split(" & ")]
    return "".join(json.loads(each) if each.startswith('"') else values[each] for each in parts)


@pytest.mark.parametrize("kind", QUERIES)
def test_each_step_builds_on_earlier_steps_and_the_last_is_the_result(kind: str) -> None:
    found = steps(QUERIES[kind])
    names = list(found)
    for place, name in enumerate(names):
        plain = re.sub(r'"[^"]*"', "", found[name])
        used = {each for each in names if re.search(rf"(?<![\w.\[])\b{each}\b(?![\w.\]])", plain)}
        assert used <= set(names[:place]), name
        later = re.sub(r'"[^"]*"', "", " ".join(found[each] for each in names[place + 1 :]))
        assert name == names[-1] or re.search(rf"\b{name}\b", later), f"nobody uses {name}"
    assert code(QUERIES[kind]).rstrip().endswith(f"in\n    {names[-1]}")


@pytest.mark.parametrize("kind", QUERIES)
def test_brackets_match(kind: str) -> None:
    plain = re.sub(r'"[^"]*"', "", code(QUERIES[kind]))
    stack = []
    for char in plain:
        if char in "([{":
            stack.append(char)
        elif char in ")]}":
            assert stack.pop() + char in {"()", "[]", "{}"}
    assert not stack


def test_excel_gets_no_function_of_power_bi_alone() -> None:
    functions = {kind: set(re.findall(r"\b([A-Z]\w+\.[A-Z]\w+)\(", code(query))) for kind, query in QUERIES.items()}
    assert "Parquet.Document" in functions["parquet"]
    assert functions["csv"] == {
        "Table.AddColumn", "Folder.Files", "Text.Replace", "Table.TransformRows", "Table.SelectRows", "Json.Document",
        "List.Transform", "List.Select", "Record.HasFields", "List.IsEmpty", "List.Max", "Text.EndsWith",
        "Csv.Document", "Table.PromoteHeaders", "Table.ReplaceValue", "Table.ColumnNames", "List.Contains",
        "Table.TransformColumnTypes",
    }  # fmt: skip


def test_every_column_that_is_not_text_has_its_type_and_no_other_column_has() -> None:
    found = dict(re.findall(r'\{"(\w+)", ([\w .]+)\}', steps(QUERIES["csv"])["Types"]))
    columns = [(field.name, str(field.type)) for schema in SCHEMAS.values() for field in schema]
    assert found == {name: TYPES[kind] for name, kind in columns if kind != "string"}
    assert not found.keys() & {name for name, kind in columns if kind == "string"}
    assert {"entity_id", "member_id", "number_external", "number_extension"} <= {name for name, _ in columns}


@pytest.mark.parametrize("kind", QUERIES)
def test_the_latest_snapshot_with_the_table_is_read(kind: str, nights: Nights) -> None:
    query = QUERIES[kind]
    assert wanted(query) in SCHEMAS
    (name,) = re.findall(r'\[Name\] = ("[^"]+")', query)
    manifests = [json.loads(path.read_bytes()) for path in nights.output.rglob(json.loads(name))]
    assert len(manifests) > len(nights.history)  # a snapshot of audio options, and no draft
    ids = [each["snapshot_id"] for each in manifests if wanted(query) in each["tables"]]
    assert max(ids) == nights.latest.name
    fields = set(re.findall(r"\[([A-Za-z_ ]+)\]", code(query))) - {"Path"}
    assert fields == OF_FILES | {"tables", "snapshot_id"}


def paths_of(output: Path) -> list[str]:
    """All files as the column `Path` has them, from Windows."""
    return [f"C:/webex-audit/snapshots/{path.relative_to(output).as_posix()}" for path in output.rglob("*.*")]


@pytest.mark.parametrize("table", ["coverage", "push_to_talk", "push_to_talk_members", "workspace_devices"])
def test_the_parquet_files_of_the_table_are_read_and_no_others(table: str, nights: Nights) -> None:
    query = QUERIES["parquet"]
    (start,) = re.findall(r"Text\.Contains\(\[Path\], (.+)\)\)$", steps(query)["Parts"])
    (end,) = re.findall(r'Text\.EndsWith\(\[Path\], ("[^"]+")\)', steps(query)["Tables"])
    inside, suffix = joined(start, Latest=nights.latest.name, Wanted=table), json.loads(end)
    found = [path for path in paths_of(nights.output) if inside in path and path.endswith(suffix)]
    files = json.loads((nights.latest / "manifest.json").read_bytes())["tables"][table]["files"]
    expected = [each["path"] for each in files if each["path"].endswith(".parquet")]
    assert sorted(path.partition(f"{nights.latest.name}/")[2] for path in found) == sorted(expected)
    before, after = re.findall(r'BetweenDelimiters\(\[Path\], ("[^"]+"), ("[^"]+")\)', query)[0]
    ids = {path.partition(json.loads(before))[2].partition(json.loads(after))[0] for path in found}
    assert ids == set(nights.table(table, nights.latest)["org_id"].to_pylist())


@pytest.mark.parametrize("table", ["coverage", "push_to_talk", "push_to_talk_members", "workspace_devices"])
def test_the_csv_file_of_the_table_is_read(table: str, nights: Nights) -> None:
    (end,) = re.findall(r"Text\.EndsWith\(\[Path\], (.+)\)\)$", steps(QUERIES["csv"])["File"])
    suffix = joined(end, Latest=nights.latest.name, Wanted=table)
    (found,) = (path for path in paths_of(nights.output) if path.endswith(suffix))
    header = (nights.output / found.partition("snapshots/")[2]).read_text(encoding="utf-8").partition("\n")[0]
    assert set(header.replace('"', "").split(",")) == {*SCHEMAS[table].names, "org_name"}
    options = steps(QUERIES["csv"])["Cells"]
    assert 'Delimiter = ","' in options
    assert "Encoding = 65001" in options
