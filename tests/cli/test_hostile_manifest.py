"""A manifest is data that anybody may have written: no command trusts it, hangs on it, or ends as a bug."""

import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from harness import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import DamagedError, UsageError
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import read_manifest
from audit.snapshot.proof.signing import SIGNATURE

pytestmark = pytest.mark.attack("manifest")

Command = Callable[..., Result]
Json = dict[str, Any]
OTHER = "00000000-0000-4000-8000-000000000000"
LONG = "x" * 5000


def assert_refused(results: dict[str, Result]) -> None:
    """A damaged manifest is refused by who names it, and stops nobody else."""
    codes = {name: result.code for name, result in results.items()}
    assert codes == dict.fromkeys(results, 2) | {"snapshots": 0, "prune": 0, "run": 0, "verify": 1, "verify latest": 1}
    for name, result in results.items():
        if codes[name] == 2:
            assert result.err.splitlines()[-1].startswith("webex-audit: error: "), result
            assert "is damaged: " in result.err


def put(value: Json, path: str, new: Any) -> Json:
    """A copy with another value at a path such as `orgs/0/name`."""
    copy: Json = json.loads(json.dumps(value))
    *way, last = path.split("/")
    place: Any = copy
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = new
    return copy


TABLE = {"rows": 0, "digest": "0" * 64, "files": []}
NOT_ALLOWED: list[tuple[str, Any]] = [
    *(
        ("snapshot_id", each)
        for each in ("../../web/index", "/etc/passwd", "..", "", "20261121T190900Z-0a1b2c\n", LONG, 7)
    ),
    *(("snapshot_id", f"20261121T190900Z-0a1b2{each}") for each in ("\0", "C", "é", "c/..")),
    ("previous/snapshot_id", "../20261121T190900Z-0a1b2c"),
    ("previous/manifest_sha256", "0" * 63),
    *(("format_version", each) for each in (0, -1, 10**40, True, 1.5)),
    ("started_at", "0001-01-01T00:00:00+14:00"),
    ("finished_at", "9999-12-31T23:59:59Z"),
    ("started_at", "2026-11-21T19:09:00+23:59"),
    ("started_at", "2026-11-21T19:09:00"),
    *(("orgs/0/org_id", each) for each in ("../../etc", "A" + OTHER[1:], f"{OTHER}\0", "", None)),
    *(("orgs/0/entities", each) for each in (-1, 1 << 63, 1 << 70, "4", 1e300)),
    ("orgs/0/unlisted", {"push_to_talk": {"../x": "reason"}}),
    ("orgs/0/invalid_items", {"push_to_talk": {"PERSON": -3}}),
    ("orgs/0/limit", {"kind": "rate", "text": "", "per_s": -1}),
    *(("tables/coverage/rows", each) for each in (-1, 1e999, 1 << 63)),
    ("tables/coverage/digest", "sha256"),
    ("tables/coverage/files/0/rows", -1),
    ("tables/coverage/files/0/bytes", 1 << 70),
    ("tables/coverage/files/0/sha256", "0" * 64 + "\n"),
    *(
        ("tables/coverage/files/0/path", path)
        for path in (
            "/etc/passwd",
            "../coverage/x.parquet",
            f"coverage/org_id={OTHER}/../../../x.parquet",
            f"coverage/org_id={OTHER}/a\0.parquet",
            f"coverage/org_id={OTHER}/{LONG}.parquet",
            f"coverage/org_id={OTHER}/..parquet",
            f"push_to_talk/org_id={OTHER}/00000.parquet",
            f"coverage/org_id={OTHER}/00000.parquet/",
            "coverage/org_id=../00000.parquet",
            "../20261121T190900Z-0a1b2c/coverage.csv",
            "manifest.json",
            "",
        )
    ),
    *(("tables", {"coverage": TABLE, name: TABLE}) for name in ("..", "x; DROP TABLE y", "", LONG, "A", "x\0")),
    ("outcomes/push_to_talk", {"\x1b[2J": 1}),
    ("outcomes/push_to_talk", {"ok": -1}),
    ("scope/datasets", ["../x"]),
    ("scope/entities", ["WORKSPACE\n"]),
    ("requests/total", "many"),
    ("status", "perfect"),
]


@pytest.mark.parametrize(("path", "new"), NOT_ALLOWED)
def test_a_value_that_the_format_does_not_allow_is_damage(path: str, new: Any, newest: Path) -> None:
    good = json.loads((newest / MANIFEST).read_text())
    (newest / MANIFEST).write_text(json.dumps(put(good, path, new)))
    with pytest.raises(DamagedError) as caught:
        read_manifest(newest)
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 100


def test_an_organization_that_is_named_twice_is_damage(newest: Path) -> None:
    good = json.loads((newest / MANIFEST).read_text())
    (newest / MANIFEST).write_text(json.dumps(good | {"orgs": good["orgs"] * 2}))
    with pytest.raises(DamagedError, match="it names an organization twice"):
        read_manifest(newest)


BYTES = {
    "nothing": b"",
    "no JSON": b"\0\1\2",
    "half": b'{"format_version": 1, "snapsh',
    "a lone surrogate": b'{"format_version": 1, "snapshot_id": "\\ud800"}',
    "no UTF-8": b'{"format_version": 1, "snapshot_id": "\xff"}',
    "a NUL": b'{"format_version": 1}\0',
    "NaN": b'{"format_version": NaN}',
    "a list": b"[1]",
    "too deep": b'{"format_version": 1, "scope": ' + b"[" * 200_000,
    "deep and closed": b'{"format_version": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}",
}


@pytest.mark.few(4)
@pytest.mark.parametrize("content", BYTES.values(), ids=BYTES)
def test_what_is_not_a_manifest_is_one_line_of_every_command(
    content: bytes, newest: Path, all_commands: Callable[[Path], dict[str, Result]]
) -> None:
    (newest / MANIFEST).write_bytes(content)
    assert_refused(all_commands(newest))


def test_no_command_writes_where_a_manifest_says(
    newest: Path, all_commands: Callable[[Path], dict[str, Result]], webex_audit: Command, tmp_path: Path
) -> None:
    (tmp_path / "web").mkdir()
    good = json.loads((newest / MANIFEST).read_text())
    (tmp_path / "here" / "deep").mkdir(parents=True)
    os.chdir(tmp_path / "here" / "deep")
    (newest / MANIFEST).write_text(json.dumps(good | {"snapshot_id": "../../web/index"}))
    assert webex_audit("report", newest).code == 2
    assert_refused(all_commands(newest))
    assert [*(tmp_path / "web").iterdir()] == []


@pytest.mark.few(2)
@pytest.mark.parametrize("folder", ["copy", "..hidden", "-file"])
@pytest.mark.slow
def test_the_name_of_a_report_is_not_from_the_manifest(
    folder: str, newest: Path, webex_audit: Command, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    os.chdir(tmp_path / "here")
    for kind in ("html", "xlsx"):
        assert webex_audit("report", newest, "--format", kind).code == 0
    named = newest.rename(newest.with_name(folder))
    for kind in ("html", "xlsx"):
        assert webex_audit("report", named, "--format", kind).code == 0
    names = {path.name for path in Path().iterdir()}
    assert names == {f"{newest.name}.html", f"{newest.name}.xlsx", "report.html", "report.xlsx"}


def test_a_manifest_of_another_snapshot_is_a_fault(
    newest: Path, all_commands: Callable[[Path], dict[str, Result]]
) -> None:
    first = next(each for each in newest.parent.iterdir() if each.is_dir() and each != newest)
    shutil.copy(first / MANIFEST, newest / MANIFEST)
    results = all_commands(newest)
    assert results["verify"].code == 1
    assert f"its folder is {newest.name}" in results["verify"].out


@pytest.mark.timeout(60)
def test_a_manifest_without_end_is_not_read(newest: Path, all_commands: Callable[[Path], dict[str, Result]]) -> None:
    with (newest / MANIFEST).open("r+b") as file:
        file.truncate(10 << 30)
    assert_refused(all_commands(newest))


@pytest.mark.few(3)
@pytest.mark.parametrize("text", ["\0", "\x1b[2J", "a\nb", LONG, "\u202e", "=1+1", "<script>", "\ud83d\ude00", ""])
@pytest.mark.slow
def test_a_text_that_the_format_allows_harms_nobody(
    text: str, newest: Path, all_commands: Callable[[Path], dict[str, Result]], webex_audit: Command
) -> None:
    good = json.loads((newest / MANIFEST).read_text())
    for path in ("orgs/0/name", "orgs/0/message", "tool/name", "tool/version", "base_url"):
        good = put(good, path, text)
    good = put(good, "scope/sites", [text])
    good = put(good, "scope/excluded", [text])
    good = put(good, "unknown_fields/push_to_talk", {text: 1})
    (newest / MANIFEST).write_text(json.dumps(good))
    (newest / SIGNATURE).unlink(missing_ok=True)
    results = all_commands(newest)
    # The CSV has the name that the organization had.
    assert {name for name, result in results.items() if result.code} == {"check", "verify", "verify latest"}
    assert "does not hold the names of the organizations" in results["verify"].out
    assert webex_audit("report", newest, "--format", "xlsx", "--file", newest.with_name("r.xlsx")).code == 0


def nodes(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all values in a JSON document but the first."""
    below: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        below = [*value.items()]
    elif isinstance(value, list):
        below = [(str(index), each) for index, each in enumerate(value)]
    return [*([path] if path else []), *chain.from_iterable(nodes(each, (*path, name)) for name, each in below)]


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1 << 31, (1 << 63) - 1, 1 << 63, 10**40, 1.0, 1e300, -0.0]),
    st.text(max_size=20),
    st.sampled_from(["", "..", "/", "\0", "a\0b", LONG, "latest", "2026-02-30T00:00:00Z", "2100-01-01T00:00:00Z"]),
    st.sampled_from(
        ["coverage", "push_to_talk", "x", OTHER, "PERSON", "WORKSPACE", "ROOM", "complete", "partial", "ok"]
    ),
    st.sampled_from(
        ["20261121T190900Z-0a1b2c", "99999999T999999Z-ffffff", "coverage.csv", f"org_id={OTHER}/coverage.csv"]
    ),
    st.sampled_from([[], {}, [[]], [{}], {"": 0}, {"x": TABLE}, {"x": {"ok": 1}}, ["x"], nested(50)]),
)


@st.composite
def mutants(draw: st.DrawFn, good: Json) -> str:
    """A manifest with a few values exchanged, left out, or given twice."""
    changed: Json = json.loads(json.dumps(good))
    twice = ""
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(nodes(changed)))
        place: Any = changed
        for step in way[:-1]:
            place = place[int(step) if isinstance(place, list) else step]
        last: Any = int(way[-1]) if isinstance(place, list) else way[-1]
        kind = draw(st.sampled_from(["exchange", "exchange", "exchange", "delete", "rename", "twice"]))
        if kind == "twice":
            name = draw(st.sampled_from([*good]))
            twice = f"{json.dumps(name)}: {json.dumps(draw(VALUES))}, "
        elif kind == "delete":
            del place[last]
        elif kind == "rename" and isinstance(place, dict):
            place[draw(st.one_of(st.text(max_size=10), st.sampled_from([LONG, "a\0", "..", "x"])))] = place.pop(last)
        else:
            place[last] = deepcopy(draw(VALUES))
        if not nodes(changed):
            break
    return "{" + twice + json.dumps(changed)[1:]


SOME = settings(
    max_examples=int(os.environ.get("MUTANTS", "12")), deadline=None, suppress_health_check=list(HealthCheck)
)


@SOME
@given(st.data())
@pytest.mark.slow
def test_no_mutated_manifest_ends_a_command_as_a_bug(
    newest: Path, all_commands: Callable[[Path], dict[str, Result]], data: st.DataObject
) -> None:
    backup = newest.parent.with_name("backup")
    if not backup.exists():
        shutil.copytree(newest.parent, backup)
    good = json.loads((backup / newest.name / MANIFEST).read_text())
    (newest / MANIFEST).write_text(data.draw(mutants(good)))
    try:
        read_manifest(newest)
    except DamagedError:
        assert_refused(all_commands(newest))
    except UsageError:
        all_commands(newest)  # it is of a newer format
    else:
        all_commands(newest)
    finally:
        shutil.rmtree(newest.parent)
        shutil.copytree(backup, newest.parent)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
@pytest.mark.slow
def test_a_mutated_manifest_is_read_or_damaged(newest: Path, data: st.DataObject) -> None:
    good = json.loads(
        (newest / "good.json").read_text() if (newest / "good.json").exists() else (newest / MANIFEST).read_text()
    )
    (newest / "good.json").write_text(json.dumps(good))
    (newest / MANIFEST).write_text(data.draw(mutants(good)))
    try:
        read_manifest(newest)
    except UsageError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is fine
