"""A snapshot is approved by somebody, for a reason, and the commands of the review know it."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from crafted import TickingClock, crafted, two_way
from harness import Result, Where, environment
from keys import write_key
from object_stores import S3

from audit.output.lock import lock
from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
WHY = ("--reason", "reviewed with facility management", "--by", "Ann Smith")


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def cli(webex_audit: Command, output: Path) -> Command:
    """The command line over the output."""
    return lambda name, *arguments: webex_audit(name, *arguments, "--output", output)


def id_of(snapshot: Snapshot) -> str:
    return snapshot.manifest.snapshot_id


def record(output: Path) -> list[dict[str, Any]]:
    return json.loads((output / "approved.json").read_text())["approvals"]  # type: ignore[no-any-return]


def forge(output: Path, **changes: Any) -> None:
    """Change the last decision, as somebody does who may write to the output."""
    entries = record(output)
    entries[-1] |= changes
    (output / "approved.json").write_text(json.dumps({"format_version": 1, "approvals": entries}))


def rule(cli: Command, name: str = "differs-from-approved", *arguments: object) -> dict[str, Any]:
    found = json.loads(cli("check", "--json", *arguments).out)
    (result,) = [each for each in found["results"] if each["rule"]["rule_id"] == name]
    return result  # type: ignore[no-any-return]


def told(result: Result) -> str:
    (line,) = [each for each in result.err.splitlines() if "error: " in each]
    assert (result.code, "Traceback" in result.err) == (2, False), result
    return line


@pytest.mark.slow
def test_what_is_approved_is_recorded_shown_kept_and_compared_with(audit: Audit, cli: Command, output: Path) -> None:
    first = audit(Simulation(crafted()))
    assert rule(cli)["status"] == "skipped"
    assert "'webex-audit approve' approves one" in rule(cli)["reason"]
    assert "none" not in cli("approve", "--list").out
    assert "no approved snapshot of the scope" in told(cli("show", "approved"))
    made = cli("approve", *WHY)
    assert made.code == 0, made.err
    assert f"{id_of(first)} approved by Ann Smith on " in made.out
    (entry,) = record(output)
    assert (entry["snapshot_id"], entry["by"], entry["reason"]) == (id_of(first), "Ann Smith", WHY[1])
    if os.name == "posix":
        assert stat.S_IMODE((output / "approved.json").stat().st_mode) == 0o600
    assert rule(cli)["status"] == "passed"

    second = audit(Simulation(crafted(two_way)))
    (finding,) = rule(cli)["findings"]
    assert (finding["entity_name"], finding["severity"]) == ("Room 0", "high")
    assert finding["detail"] == "callers may listen and speak; approved: speak"
    assert cli("check", "--rule", "differs-from-approved").code == 1
    assert cli("diff", "approved", "latest").out.count("one-way (the caller only speaks) → two-way") == 1
    assert cli("diff", "latest", "approved").out.count("two-way (the caller can listen) → one-way") == 1
    for name, *more in (("show",), ("verify",), ("query", "SELECT count(*) FROM coverage"), ("check",)):
        assert cli(name, "approved", *more).code == 0, name
    assert json.loads(cli("show", "approved", "--json").out)["approval"]["by"] == "Ann Smith"
    shown = json.loads(cli("snapshots", "--json").out)
    assert [bool(each["approval"]) for each in shown] == [True, False]
    assert "yes" in cli("snapshots").out.splitlines()[1]
    for name in ("check", "report"):
        assert cli(name, "--against", "approved").code in (0, 1)
    page = Path(cli("report").out.strip()).read_text()
    assert page.count("1 opens more than approved") == 2, "the header and the section of the approval"
    assert page.index('<h2 id="glance"') < page.index('<h2 id="approval"') < page.index('<h2 id="findings"')
    assert "Ann Smith" in page
    assert "callers may listen and speak; approved: speak" in page

    assert f"keep     {id_of(first)}  approved" in cli("prune", "--keep-last", "1").out
    assert first.path.exists()
    assert cli("approve", id_of(second), *WHY).code == 0
    assert rule(cli)["status"] == "passed"
    assert cli("approve", "--list").out.count("\n* ") == 1
    assert f"removed  {id_of(first)}" in cli("prune", "--keep-last", "1").out
    assert cli("approve", "--withdraw", *WHY).code == 0
    assert rule(cli)["status"] == "skipped"
    assert "no snapshot is approved" in told(cli("approve", "--withdraw", *WHY))


def rows_of(sheet: Any) -> list[dict[str, Any]]:
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.slow
def test_the_workbook_says_of_each_room_whether_it_is_approved(audit: Audit, cli: Command, tmp_path: Path) -> None:
    def book() -> Any:
        assert cli("report", "--file", tmp_path / "report.xlsx").code == 0
        return openpyxl.load_workbook(tmp_path / "report.xlsx")

    first = audit(Simulation(crafted()))
    before = book()
    assert {row["approved"] for row in rows_of(before["Room by who"])} == {"not known: no snapshot was approved"}
    assert dict(before["Summary"].values)["approved state"] == "none: no snapshot of this scope was approved"

    assert cli("approve", *WHY).code == 0
    audit(Simulation(crafted(two_way)))
    after = book()
    assert after.sheetnames == before.sheetnames
    said = {row["room or phone"]: row["approved"] for row in rows_of(after["Room by who"])}
    detail = "callers may listen and speak; approved: speak"
    assert said.pop("Room 0") == f"no, it opens more than approved: {detail}"
    assert set(said.values()) <= {"yes, it is as approved"}
    summary = dict(after["Summary"].values)
    assert summary["approved state"] == id_of(first)
    assert summary["approved by"].startswith("Ann Smith, ")
    assert summary["reason of the approval"] == WHY[1]
    assert summary["signature of the approval"].startswith("not signed: ")
    assert summary["rooms and phones that open more than approved"] == 1


@pytest.mark.slow
def test_each_scope_has_its_own_approved_state(audit: Audit, cli: Command) -> None:
    people = {"scope__entities": ["person"]}
    rooms = audit(Simulation(crafted()))
    phones = audit(Simulation(crafted()), **people)
    users = audit(Simulation(crafted()), scope__datasets=["audio-options"], scope__all_users=True)
    for each in (rooms, phones, users):
        assert cli("approve", id_of(each), *WHY).code == 0
    later = audit(Simulation(crafted(two_way)))
    for each, like in ((later, rooms), (phones, phones), (users, users), (rooms, rooms)):
        diff = json.loads(cli("diff", "approved", id_of(each), "--json").out)
        assert diff["old"] == id_of(like)
        assert json.loads(cli("check", id_of(each), "--json").out)["approved_id"] == id_of(like)
    assert json.loads(cli("show", "approved", "--json").out)["snapshot_id"] == id_of(rooms)
    assert "several snapshots are approved" in told(cli("approve", "--withdraw", *WHY))
    assert cli("approve", "--withdraw", id_of(phones), *WHY).code == 0
    assert json.loads(cli("check", id_of(phones), "--json").out)["approved_id"] is None
    assert json.loads(cli("check", id_of(later), "--json").out)["approved_id"] == id_of(rooms)


@pytest.mark.slow
def test_each_customer_in_a_folder_has_its_own_approved_state(audit: Audit, cli: Command, output: Path) -> None:
    customers = [Organization(2, seed=seed) for seed in (7, 8, 9)]
    simulation = Simulation(crafted(), customers=customers)
    taken = [audit(simulation, scope__org_ids=[each.org_id]) for each in customers]
    for each in taken[:2]:
        assert cli("approve", id_of(each), *WHY).code == 0
    again = [audit(simulation, scope__org_ids=[each.org_id]) for each in customers]
    approved = [json.loads(cli("check", id_of(each), "--json").out)["approved_id"] for each in again]
    assert approved == [id_of(taken[0]), id_of(taken[1]), None]
    assert f"no approved snapshot of the scope of {id_of(again[2])}" in told(cli("show", "approved"))
    assert cli("prune", "--keep-last", "1").code == 0
    kept = {each.name for each in output.iterdir() if each.is_dir()}
    assert kept == {id_of(each) for each in (*taken[:2], *again)}


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--reason is missing"),
        (("--reason", "  "), "--reason is empty"),
        (("--reason", "a\nb"), "--reason: expected one line"),
        (("--reason", "x" * 1001), "--reason: expected one line of at most 1000"),
        (("--reason", "r", "--by", "\u202eAnn"), "--by: expected one line"),
        (("--reason", "r", "--by", "a\x1b[2J"), "--by: expected one line"),
        (("--reason", "r", "--by", "\udcff"), "--by: expected one line"),
        (("--reason", "r", "--by", ""), "--by is empty"),
        (("--reason", "r", "--by", " "), "--by is empty"),
        (("--reason", "r", "nonsense"), "no snapshot nonsense"),
        (("--list", "--reason", "r"), "--list only lists: leave out SNAPSHOT, --reason"),
        (("--withdraw", "--allow-partial", "--reason", "r"), "--allow-partial belongs to an approval"),
        (("--withdraw", "20261121T190900Z-000000", "--reason", "r"), "is not approved"),
    ],
)
def test_a_decision_without_a_sense_is_refused(
    arguments: tuple[str, ...], words: str, audit: Audit, cli: Command, output: Path
) -> None:
    audit(Simulation(crafted()))
    assert words in told(cli("approve", *arguments))
    assert not (output / "approved.json").exists()


def test_a_partial_snapshot_is_approved_on_request_only_and_what_it_lacks_is_said(audit: Audit, cli: Command) -> None:
    room = crafted().workspace(0)["id"]
    assert audit(Simulation(crafted(), Where("mistyped", f"{room}/pushToTalk"))).manifest.status == "partial"
    assert "is partial (1 read has no complete answer" in told(cli("approve", *WHY))
    assert cli("approve", "--allow-partial", *WHY).code == 0
    audit(Simulation(crafted(two_way)))
    result = rule(cli)
    assert (result["status"], result["findings"]) == ("skipped", [])
    assert "1 room opens, but the approved snapshot has no answer for it (invalid_response)" in result["reason"]


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("damage", ["manifest", "parquet", "csv", "an extra file"])
def test_a_damaged_snapshot_is_not_approved(damage: str, audit: Audit, cli: Command, output: Path) -> None:
    snapshot = audit(Simulation(crafted()))
    match damage:
        case "manifest":
            path = snapshot.path / "manifest.json"
            path.write_text(path.read_text().replace('"requests": {\n    "total": ', '"requests": {\n    "total": 1'))
            manifest = json.loads(path.read_text())
            manifest["tables"]["coverage"]["rows"] += 1
            path.write_text(json.dumps(manifest))
        case "parquet" | "csv":
            path = next(each for each in sorted(snapshot.path.rglob(f"*.{damage}")))
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        case _:
            (snapshot.path / "extra").touch()
    assert "is damaged, and can't be approved" in told(cli("approve", *WHY))
    assert not (output / "approved.json").exists()


FORGERIES: dict[str, dict[str, Any]] = {
    "another manifest": {"manifest_sha256": "0" * 64},
    "a snapshot that is not here": {"snapshot_id": "20200101T000000Z-000000"},
    "another snapshot": {"snapshot_id": ...},
    "a path": {"snapshot_id": "../elsewhere"},
    "a digest of another form": {"manifest_sha256": "0"},
    "a time of another calendar": {"at": "0001-01-01T00:00:00Z"},
    "a time without a zone": {"at": "2026-01-01T00:00:00"},
    "a text of another size": {"by": "x" * 100_000},
    "no text": {"reason": ""},
    "a decision of another kind": {"decision": "perhaps"},
    "an unknown field": {"more": 1},
    "a signature of nothing": {"envelope": {"payload": "e30=", "payloadType": "x", "signatures": []}},
}


@pytest.mark.few(4)
@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("changes", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_approval_is_not_compared_with(
    changes: dict[str, Any], audit: Audit, cli: Command, output: Path
) -> None:
    audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0
    later = audit(Simulation(crafted(two_way)))
    forge(output, **{name: id_of(later) if text is ... else text for name, text in changes.items()})
    for name in ("check", "report", "diff approved latest", "show approved"):
        line = told(cli(*name.split()))
        assert "approved.json" in line
    verified = cli("verify", "latest")
    assert (verified.code, "approved.json: " in verified.out) == (1, True)
    assert cli("snapshots").code == cli("show").code == 0
    assert cli("run", "--help").code == 0


@pytest.mark.attack("what is read back")
def test_an_older_decision_that_is_repeated_does_not_count_again(
    audit: Audit, cli: Command, output: Path, tmp_path: Path
) -> None:
    config = tmp_path / "sign.toml"
    config.write_text(f'[sign]\nkey_file = "{write_key(tmp_path / "key")}"\n')
    public = ["--public-key", tmp_path / "key.pub"]
    audit(Simulation(crafted(two_way)), sign__key_file=str(tmp_path / "key"))
    assert cli("approve", *WHY, "--config", config).code == 0
    audit(Simulation(crafted()), sign__key_file=str(tmp_path / "key"))
    assert cli("approve", *WHY, "--config", config).code == 0
    assert cli("approve", *WHY, "--withdraw", "--config", config).code == 0
    first, second, third = record(output)
    for entries in ([first, second, third, first], [second, first], [third, second]):
        (output / "approved.json").write_text(json.dumps({"format_version": 1, "approvals": entries}))
        for arguments in (["check"], ["show", "approved"], ["prune", "--keep-last", "1"]):
            assert "approved.json is damaged: an older decision stands after a newer" in told(cli(*arguments))
        assert cli("verify", *public).code == 1
    for entries in ([first, second, third], [first, second, second]):
        (output / "approved.json").write_text(json.dumps({"format_version": 1, "approvals": entries}))
        assert cli("verify", *public).code == 0


def test_a_decision_before_the_last_decision_is_refused(audit: Audit, cli: Command, output: Path) -> None:
    audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0
    forge(output, at="2999-01-01T00:00:00Z")
    before = record(output)
    for more in ([], ["--withdraw"]):
        assert "2999-01-01 00:00:00 UTC, which is still to come: check the clock" in told(cli("approve", *WHY, *more))
    assert record(output) == before


@pytest.mark.attack("what is read back")
def test_whoever_ends_an_approval_without_the_key_is_reported(
    audit: Audit, cli: Command, output: Path, tmp_path: Path
) -> None:
    config = tmp_path / "sign.toml"
    config.write_text(f'[sign]\nkey_file = "{write_key(tmp_path / "key")}"\n')
    public = ["--public-key", tmp_path / "key.pub"]
    first = audit(Simulation(crafted()), sign__key_file=str(tmp_path / "key"))
    assert cli("approve", *WHY, "--config", config).code == 0
    assert cli("approve", "latest", *WHY, "--withdraw").code == 0
    assert cli("verify").code == 0
    refused = cli("verify", *public)
    assert (refused.code, f"the withdrawal of {id_of(first)} is not signed" in refused.out) == (1, True)
    assert "is not approved" in told(cli("approve", first.path, *WHY, "--withdraw"))
    assert cli("approve", *WHY, "--config", config).code == 0
    assert cli("approve", first.path, *WHY, "--withdraw", "--config", config).code == 0
    assert cli("verify", *public).code == 0
    forge(output, reason="another")
    assert "the withdrawal of " in cli("verify").out


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.slow
def test_hostile_texts_of_a_decision_stay_texts(audit: Audit, cli: Command, output: Path) -> None:
    snapshot = audit(Simulation(crafted()))
    by, why = "<script>alert(1)</script>", "=cmd|'/C calc'!A0 \"></script><img src=x onerror=alert(1)>"
    assert json.loads(cli("approve", "--by", by, "--reason", why, "--json").out)["reason"] == why
    page = Path(cli("report").out.strip()).read_text()
    assert "alert(1)" in page
    assert by not in page
    assert "<img src=x" not in page
    forge(output, by="a\x1b[2J\u202e", reason="x\n\x1b]0;t\x07")
    for arguments in (["approve", "--list"], ["show", "approved"], ["snapshots"], ["check"], ["verify"]):
        shown = cli(*arguments)
        assert shown.code == 0, shown.err
        assert not {"\x1b", "\u202e", "\x07"} & {*shown.out, *shown.err}
    assert "by a\\x1b[2J\\u202e on" in cli("show", id_of(snapshot)).out


@pytest.mark.few(3)
@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{" * 100_000, b"\xff", b'{"format_version": 2, "approvals": []}', b" " * (17 << 20)]
)
def test_a_damaged_record_approves_nothing_and_removes_nothing(
    content: bytes, audit: Audit, cli: Command, output: Path
) -> None:
    audit(Simulation(crafted()))
    audit(Simulation(crafted()))
    (output / "approved.json").write_bytes(content)
    for arguments in (["check"], ["approve", *WHY], ["approve", "--list"], ["prune", "--keep-last", "1"]):
        assert "approved.json is damaged" in told(cli(*arguments))
    assert cli("verify").code == 1
    assert (output / "approved.json").read_bytes() == content
    assert len(json.loads(cli("snapshots", "--json").out)) == 2


@pytest.mark.attack("what is read back")
def test_a_record_of_another_output_approves_nothing_here(
    audit: Audit, cli: Command, webex_audit: Command, output: Path, tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way)), output__path=str(tmp_path / "other"))
    assert webex_audit("approve", *WHY, "--output", tmp_path / "other").code == 0
    audit(Simulation(crafted(two_way)))
    (output / "approved.json").write_bytes((tmp_path / "other" / "approved.json").read_bytes())
    for arguments in (["check"], ["report"], ["diff", "approved", "latest"]):
        assert "can't be used: " in told(cli(*arguments))
    assert "approved.json: approves " in cli("verify").out


@pytest.mark.attack("what is read back")
def test_an_approved_snapshot_whose_tables_were_exchanged_is_not_compared_with(audit: Audit, cli: Command) -> None:
    first = audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0
    later = audit(Simulation(crafted(two_way)))
    (genuine,), (forged,) = (sorted(Path(str(each.path)).glob("push_to_talk/*/*.parquet")) for each in (first, later))
    genuine.write_bytes(forged.read_bytes())
    for arguments in (["check"], ["report"], ["diff", "approved", "latest"]):
        assert "is damaged: it is not the file that the manifest names" in told(cli(*arguments))


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("kind", ["link", "link to nowhere", "pipe", "folder"])
def test_what_stands_in_place_of_the_record_is_not_followed(
    kind: str, audit: Audit, cli: Command, output: Path, tmp_path: Path
) -> None:
    audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0
    path, victim = output / "approved.json", tmp_path / "victim"
    path.rename(victim)
    before = victim.read_bytes()
    match kind:
        case "link":
            path.symlink_to(victim)
        case "link to nowhere":
            path.symlink_to(tmp_path / "nowhere")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    for arguments in (["check"], ["approve", *WHY], ["show", "approved"]):
        assert "approved.json is damaged: it is not a regular file" in told(cli(*arguments))
    assert cli("verify").code == 1
    assert victim.read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.slow
def test_a_signed_approval_says_who_signed(audit: Audit, cli: Command, output: Path, tmp_path: Path) -> None:
    keys = {name: write_key(tmp_path / name) for name in ("ours", "theirs")}
    configs = {}
    for name, path in keys.items():
        configs[name] = tmp_path / f"{name}.toml"
        configs[name].write_text(f'[sign]\nkey_file = "{path}"\n')
    first = audit(Simulation(crafted()), sign__key_file=str(keys["ours"]))
    ours, public = ["--config", configs["ours"]], ["--public-key", keys["ours"].with_suffix(".pub")]
    assert cli("approve", *WHY).code == 0
    assert "is not signed" in cli("check", *ours).err
    assert "is not signed" in cli("verify", *public).out
    assert cli("approve", *WHY, "--config", configs["theirs"]).code == 0
    assert "is signed by another key" in cli("check", *ours).err
    assert "is signed by another key" in cli("verify", *public).out
    made = cli("approve", *WHY, *ours, "--json")
    assert json.loads(made.out)["signed_by"]
    assert "signed" not in cli("check", *ours).err
    assert cli("verify", *public).code == cli("verify", id_of(first), *public).code == 0
    assert "good, by the key of this machine" in Path(cli("report", *ours).out.strip()).read_text()
    assert "who signed it is not checked" in cli("verify", "--verbose").err


@pytest.mark.attack("what is read back")
@pytest.mark.slow
def test_a_signed_approval_that_was_changed_is_refused(
    audit: Audit, cli: Command, output: Path, tmp_path: Path
) -> None:
    config = tmp_path / "sign.toml"
    config.write_text(f'[sign]\nkey_file = "{write_key(tmp_path / "key")}"\n')
    audit(Simulation(crafted()))
    assert cli("approve", *WHY, "--config", config).code == 0
    (entry,) = record(output)
    (signature,) = entry["envelope"]["signatures"]
    ours: list[object] = ["--config", config]
    forged: list[tuple[Any, list[object]]] = [
        ({"by": "Mallory"}, []),
        ({"reason": "because"}, ours),
        ({"at": "2026-11-22T00:00:00Z"}, []),
        ({"envelope": entry["envelope"] | {"payload": "e30="}}, []),
        ({"envelope": entry["envelope"] | {"signatures": []}}, []),
        ({"envelope": entry["envelope"] | {"signatures": [signature, signature]}}, ours),
        ({"envelope": entry["envelope"] | {"signatures": [signature | {"sig": "AAAA"}]}}, ours),
    ]
    for changes, options in forged:
        forge(output, **entry)
        assert cli("check", *options).code in (0, 1)
        forge(output, **changes)
        assert "can't be used" in told(cli("check", *options))
        assert cli("verify", "--public-key", tmp_path / "key.pub").code == 1


def test_an_approved_snapshot_that_is_gone_is_a_fault_until_it_is_withdrawn(
    audit: Audit, cli: Command, output: Path, tmp_path: Path
) -> None:
    first = audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0
    audit(Simulation(crafted()))
    Path(str(first.path)).rename(tmp_path / "gone")
    assert f"the approved snapshot {id_of(first)}" in told(cli("check"))
    assert "approved.json: approves " in cli("verify").out
    assert cli("approve", "--withdraw", id_of(first), *WHY).code == 0
    assert cli("check").code == 0


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
@pytest.mark.slow
def test_a_crash_leaves_the_old_record(call: str, audit: Audit, cli: Command, output: Path) -> None:
    audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0
    before = (output / "approved.json").read_bytes()
    died = _killed_at(call, output)
    assert died.returncode == -9, died.stderr
    assert (output / "approved.json").read_bytes() == before
    assert rule(cli)["status"] == "passed"
    assert cli("approve", *WHY).code == 0
    assert len(record(output)) == 2
    assert cli("prune", "--keep-last", "1").code == 0
    assert not [*output.glob(".approved*.tmp")]


def _killed_at(call: str, output: Path) -> subprocess.CompletedProcess[bytes]:
    """Approve in a process that dies at a system call of the record."""
    script = f"""
import os, pathlib, signal
from audit import files
from audit.cli import main
real = {{"fsync": os.fsync, "write": files.private_file, "rename": pathlib.Path.replace}}[{call!r}]
def dying(*given):
    here = str(given[0]) if {call!r} != "fsync" else os.readlink(f"/proc/self/fd/{{given[0]}}")
    if ".approved.json." in here:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given)
match {call!r}:
    case "fsync": os.fsync = dying
    case "write": files.private_file = dying
    case "rename": pathlib.Path.replace = dying
main(["approve", "--reason", "again", "--by", "Ann", "--output", {str(output)!r}])
"""
    return subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_an_object_store_holds_approvals_too(audit: Audit, webex_audit: Command, s3: S3) -> None:
    uri = s3.uri("approvals")
    at = ["--output", uri]
    first = audit(Simulation(crafted()), output__path=uri)
    assert webex_audit("approve", *WHY, *at).code == 0
    assert "approved.json" in s3.keys("approvals")
    audit(Simulation(crafted(two_way)), output__path=uri)
    assert "callers may listen and speak; approved: speak" in webex_audit("check", *at).out
    assert json.loads(webex_audit("show", "approved", "--json", *at).out)["snapshot_id"] == id_of(first)
    assert f"keep     {id_of(first)}  approved" in webex_audit("prune", "--keep-last", "1", *at).out
    assert webex_audit("verify", *at).code == 0
    assert webex_audit("approve", *WHY, "--withdraw", *at).code == 0


def test_an_approval_waits_for_no_other_run(audit: Audit, cli: Command, output: Path) -> None:
    audit(Simulation(crafted()))
    with lock(output):
        refused = cli("approve", *WHY)
    assert (refused.code, "another run holds the lock" in refused.err) == (6, True)
    assert not (output / "approved.json").exists()


def test_the_user_of_the_machine_decides_whatever_the_environment_says(
    audit: Audit, cli: Command, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwd = pytest.importorskip("pwd")
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.setenv("USER", "somebody")
    audit(Simulation(crafted()))
    assert cli("approve", "--reason", "r").code == 0
    assert record(output)[0]["by"] == pwd.getpwuid(os.geteuid()).pw_name


def test_an_exception_accepts_exactly_one_difference(audit: Audit, cli: Command, tmp_path: Path) -> None:
    first = audit(Simulation(crafted()))
    assert cli("approve", *WHY).code == 0

    def more(organization: Organization, answer: Json) -> Json:
        return two_way(organization, answer) | {"members": [*answer["members"], organization.member(5)]}

    audit(Simulation(crafted(more)))
    findings = rule(cli)["findings"]
    assert len(findings) == 2
    (tmp_path / "exceptions.toml").write_text(
        f'[[exception]]\nrule = "differs-from-approved"\norg_id = "{first.manifest.orgs[0].org_id}"\n'
        f'detail = "callers may listen and speak; approved: speak"\nreason = "r"\nowner = "o"\nexpires = 2099-01-01\n'
    )
    result = rule(cli, "differs-from-approved", "--exceptions", tmp_path / "exceptions.toml")
    (left,) = result["findings"]
    assert "(user0005@example.com) may call; the approved list does not name this member" in left["detail"]


NORTH, SOUTH = ([Organization(2, seed=seed, people=2) for seed in seeds] for seeds in ((1, 3, 5), (2, 4)))


def partner(organizations: list[Organization]) -> Simulation:
    return Simulation(organizations[0], customers=tuple(organizations[1:]))


@pytest.fixture
def of_partners(audit: Audit) -> dict[str, Snapshot]:
    """All organizations of two partners, each audited twice; the first partner has a new customer by then."""
    everything = {"scope__all_orgs": True}
    return {
        "old north": audit(partner(NORTH[:2]), **everything),
        "old south": audit(partner(SOUTH), **everything),
        "north": audit(partner(NORTH), **everything),
        "south": audit(partner(SOUTH), **everything),
    }


def test_previous_is_of_the_same_partner(of_partners: dict[str, Snapshot], cli: Command) -> None:
    assert cli("diff").out.splitlines()[0].startswith(f"from {id_of(of_partners['old south'])} ")
    before = json.loads(cli("check", id_of(of_partners["north"]), "--json").out)["previous_id"]
    assert before == id_of(of_partners["old north"])
    with_latest = cli("diff", id_of(of_partners["old north"]), "latest").out.splitlines()[1]
    assert with_latest.startswith(f"to   {id_of(of_partners['north'])} ")
    assert "no snapshot of the same scope before" in told(cli("diff", "previous", id_of(of_partners["old south"])))


@pytest.mark.parametrize("key", ["", "key"])
@pytest.mark.slow
def test_each_partner_has_an_approved_state(
    key: str, of_partners: dict[str, Snapshot], cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key:
        monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(write_key(tmp_path / key)))
    for name in ("old north", "old south"):
        assert cli("approve", id_of(of_partners[name]), *WHY).code == 0
    marked = [line.split()[1] for line in cli("approve", "--list").out.splitlines() if line.startswith("*")]
    assert marked == [id_of(of_partners["old north"]), id_of(of_partners["old south"])]
    for name in ("north", "south"):
        found = json.loads(cli("check", id_of(of_partners[name]), "--json").out)
        assert found["approved_id"] == id_of(of_partners[f"old {name}"])
    assert f"keep     {id_of(of_partners['old north'])}  approved" in cli("prune", "--keep-last", "1").out
    assert cli("verify").code == 0

    # One customer in common is enough: the new approval takes the place of the one before it.
    assert cli("approve", id_of(of_partners["north"]), *WHY).code == 0
    assert cli("approve", "--list").out.count("* ") == 2
    assert "several snapshots are approved" in told(cli("approve", "--withdraw", *WHY))
    assert cli("approve", "--withdraw", id_of(of_partners["north"]), *WHY).code == 0
    assert rule(cli)["status"] == "passed", "that of the other partner still counts"


@pytest.mark.attack("what is read back")
def test_an_approval_for_other_organizations_is_refused(
    of_partners: dict[str, Snapshot], cli: Command, output: Path
) -> None:
    assert cli("approve", *WHY).code == 0
    forge(output, organizations=record(output)[-1]["organizations"][:1])
    assert "the approval is for another scope" in told(cli("check"))
    assert "the approval is for another scope" in cli("verify").out


def test_an_approval_of_an_older_version_counts(of_partners: dict[str, Snapshot], cli: Command, output: Path) -> None:
    assert cli("approve", *WHY).code == 0
    entries = record(output)
    del entries[0]["organizations"]
    (output / "approved.json").write_text(json.dumps({"format_version": 1, "approvals": entries}))
    assert rule(cli)["status"] == "passed"
    assert cli("verify").code == 0
