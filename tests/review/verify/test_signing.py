"""Signed snapshots, and the page that shows how to check one without webex-audit."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from harness import Result
from keys import write_key

from audit.errors import UsageError
from audit.extras import how_to_add
from audit.files import sha256_of
from audit.review.verify.verify import verify
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import write_manifest
from audit.snapshot.proof.signing import SIGNATURE, load_public_key, seal_with

PAGE = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text()
PROGRAMS = ("bash", "awk", "sha256sum", "openssl", "base64", "diff", "find")
Command = Callable[..., Result]
Api = Callable[[Simulation], str]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The public key of the key that runs sign with."""
    path = write_key(tmp_path / "sign-key.pem")
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(path))
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    return path.with_suffix(".pub")


@pytest.fixture
def signed(key: Path, api: Api, webex_audit: Command, tmp_path: Path) -> Path:
    """The folder of a signed snapshot."""
    assert webex_audit("run", "--base-url", api(Simulation(Organization(9)))).code == 0
    return list_snapshots(tmp_path / "snapshots")[-1].path


def test_a_run_signs_all_files_and_the_manifest(signed: Path, key: Path, webex_audit: Command) -> None:
    assert (signed / SIGNATURE).stat().st_mode & 0o777 == 0o600
    statement = json.loads(base64.b64decode(json.loads((signed / SIGNATURE).read_text())["payload"]))
    named = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    there = {path.relative_to(signed).as_posix() for path in signed.rglob("*") if path.is_file()} - {SIGNATURE}
    assert named == {path: sha256_of(signed / path) for path in there}
    result = webex_audit("verify", "--public-key", key)
    assert (result.code, result.err) == (0, "")
    assert ", signed by key " in result.out
    unasked = webex_audit("verify")
    assert (unasked.code, "signed by" in unasked.out) == (0, False)
    assert "who signed it is not checked: name the key with --public-key" in unasked.err


@pytest.mark.attack("what is read back")
@pytest.mark.slow
def test_a_flipped_byte_in_any_signed_file_is_told_with_its_name(signed: Path, key: Path) -> None:
    public = load_public_key(key)
    for path in sorted(path for path in signed.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for position in {*range(0, len(whole), len(whole) // 5), len(whole) - 1}:
            data = bytearray(whole)
            data[position] ^= 1
            path.write_bytes(data)
            if path.name == MANIFEST and b'"format_version": 1,' not in data:
                continue
            faults = verify(signed.parent, str(signed), public).faults
            assert path.relative_to(signed).as_posix() in {fault.path for fault in faults}, (path, position)
        path.write_bytes(whole)
    assert verify(signed.parent, str(signed), public).faults == []


@pytest.mark.attack("what is read back")
def test_who_rewrites_the_manifest_is_found_out_by_the_signature(signed: Path, key: Path, webex_audit: Command) -> None:
    text = (signed / MANIFEST).read_text()
    (signed / MANIFEST).write_text(text.replace('"base_url": "http', '"base_url": "https'))
    for arguments in ((), ("--public-key", key)):
        result = webex_audit("verify", *arguments)
        assert result.code == 1
        assert re.search(rf"^{MANIFEST}: has SHA-256 \w+, but \w+ was signed", result.out, re.MULTILINE)
        assert "signed by" not in result.out


@pytest.mark.attack("what is read back")
def test_a_file_that_was_not_signed_is_told(signed: Path, key: Path) -> None:
    data = json.loads((signed / MANIFEST).read_text())
    moved = data["tables"]["coverage"]["files"].pop()
    (signed / moved["path"]).unlink()
    (signed / MANIFEST).write_text(json.dumps(data))
    faults = {each.path: each.message for each in verify(signed.parent, str(signed), load_public_key(key)).faults}
    assert faults[moved["path"]] == f"was signed ({SIGNATURE}), but {MANIFEST} does not name it"


@pytest.mark.attack("what is read back")
def test_a_signature_that_is_missing_or_of_another_key_is_told(
    signed: Path, key: Path, webex_audit: Command, tmp_path: Path
) -> None:
    other = write_key(tmp_path / "other.pem").with_suffix(".pub")
    result = webex_audit("verify", "--public-key", other)
    assert (result.code, f"{SIGNATURE}: is signed by another key: expected " in result.out) == (1, True)
    envelope = json.loads((signed / SIGNATURE).read_text())
    envelope["signatures"].append(envelope["signatures"][0])
    (signed / SIGNATURE).write_text(json.dumps(envelope))
    result = webex_audit("verify", "--public-key", key)
    assert (result.code, f"{SIGNATURE}: is not as it was written" in result.out) == (1, True)
    (signed / SIGNATURE).write_text("{}")
    assert f"{SIGNATURE}: is damaged: " in webex_audit("verify").out
    (signed / SIGNATURE).unlink()
    result = webex_audit("verify", "--public-key", key)
    assert (result.code, f"{SIGNATURE}: is missing: the snapshot is not signed" in result.out) == (1, True)
    assert webex_audit("verify").code == 0
    os.mkfifo(signed / SIGNATURE)
    assert f"{SIGNATURE}: is not a regular file" in webex_audit("verify", "--public-key", key).out


def test_a_key_that_can_not_sign_is_told_before_the_first_request(
    key: Path, api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(Organization(5))
    url = api(simulation)
    write_key(tmp_path / "encrypted.pem", passphrase=b"s3cret")
    write_key(tmp_path / "rsa.pem", kind="rsa")
    (tmp_path / "junk.pem").write_bytes(b"\xffnothing")
    for name, complaint in (
        ("absent.pem", "No such file or directory"),
        ("encrypted.pem", "is encrypted: a run can't ask for its passphrase"),
        ("rsa.pem", "is not an Ed25519 private key in PEM"),
        ("sign-key.pub", "is not an Ed25519 private key in PEM"),
        ("junk.pem", "is not an Ed25519 private key in PEM"),
    ):
        monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(tmp_path / name))
        result = webex_audit("run", "--base-url", url)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert f"sign.key_file {tmp_path / name}" in result.err
        assert complaint in result.err
    assert (simulation.log, (tmp_path / "snapshots").exists()) == ([], False)


def test_a_key_that_can_not_verify_is_exit_2(signed: Path, webex_audit: Command, tmp_path: Path) -> None:
    write_key(tmp_path / "rsa.pem", kind="rsa")
    for name, complaint in (
        ("absent.pub", "No such file or directory"),
        ("rsa.pub", "is not an Ed25519 public key in PEM"),
        ("sign-key.pem", "is not an Ed25519 public key in PEM"),
    ):
        result = webex_audit("verify", "--public-key", name)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert f"--public-key {name}" in result.err
        assert complaint in result.err


def test_a_key_that_others_can_read_is_warned_of(key: Path, caplog: pytest.LogCaptureFixture) -> None:
    private = key.with_suffix(".pem")
    private.chmod(0o644)
    assert seal_with(str(private))
    assert "can be read by other users: chmod 600 it" in caplog.text


def test_without_the_extra_it_is_said_which_one_is_missing(
    key: Path, api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for command in (("run", "--base-url", api(Simulation(Organization(5)))), ("verify", "--public-key", key)):
        result = webex_audit(*command)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert how_to_add("review") in result.err
    assert seal_with(None) is None


def test_no_snapshot_is_without_the_signature_that_was_asked_for(
    audit: Callable[..., Snapshot], key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature is written before the manifest; the next commit removes what an interrupted commit left."""
    seal = seal_with(str(key.with_suffix(".pem")))

    def cut_off(folder: Path, _: object) -> None:
        assert (folder / SIGNATURE).exists()
        raise OSError(28, "No space left on device")

    simulation = Simulation(Organization(9))
    monkeypatch.setattr("audit.output.commit.write_manifest", cut_off)
    with pytest.raises(Exception, match="No space left"):
        audit(simulation, seal=seal)
    (left,) = (tmp_path / "out").glob(f"*/{SIGNATURE}")
    assert not left.with_name(MANIFEST).exists()
    monkeypatch.setattr("audit.output.commit.write_manifest", write_manifest)
    snapshot = audit(simulation, is_resuming=True, output__formats=["csv"])
    assert not left.parent.exists()
    assert verify(tmp_path / "out", snapshot.path.name).faults == []


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def _bash(
    script: str, folder: Path, shell: Sequence[str] = ("bash", "-euo", "pipefail"), **environment: str
) -> subprocess.CompletedProcess[str]:
    arguments = [*shell, "-c", script]
    return subprocess.run(
        arguments, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )


needs_programs = pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}")


@pytest.fixture
def chained(key: Path, api: Api, webex_audit: Command, tmp_path: Path) -> tuple[Path, Path]:
    """The second of two snapshots, signed by a key that the commands of the page made, and the public key."""
    made = _bash("".join(_blocks("sh key")), tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "sign-key.pem").stat().st_mode & 0o777 == 0o600
    url = api(Simulation(Organization(9, people=5)))
    for _ in range(2):
        assert webex_audit("run", "--base-url", url).code == 0
    newest = list_snapshots(tmp_path / "snapshots")
    (second,) = [each for each in newest if each.manifest.previous]
    return second.path, tmp_path / "sign-key.pub.pem"


@needs_programs
def test_every_command_of_the_page_works_and_agrees(chained: tuple[Path, Path], webex_audit: Command) -> None:
    folder, public = chained
    before = sorted(folder.rglob("*"))
    shown = _bash("".join(_blocks("sh")), folder, PUBLIC_KEY=str(public))
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert "Signature Verified Successfully" in lines
    assert {line.split(": ")[1] for line in lines if ": " in line} == {"OK"}
    assert {f"{path.relative_to(folder)}: OK" for path in before if path.is_file() and path.name != SIGNATURE} <= {
        *lines
    }
    assert f"{sha256_of(folder / MANIFEST)}  {MANIFEST}" in lines
    assert sorted(folder.rglob("*")) == before
    verified = webex_audit("verify", folder.name, "--public-key", public)
    assert (
        f"signed by key {lines[-1].split()[0]}; manifest.json has SHA-256 {sha256_of(folder / MANIFEST)}"
        in verified.out
    )


@needs_programs
@pytest.mark.parametrize("shell", [("bash", "-euo", "pipefail"), ("sh", "-eu")], ids=lambda shell: shell[0])
def test_every_command_of_the_page_works_for_a_first_a_later_and_a_last_snapshot_in_any_shell(
    shell: tuple[str, ...], chained: tuple[Path, Path], webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, public = chained
    (first,) = [each.path for each in list_snapshots(folder.parent) if each.path != folder]
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(public.with_name("sign-key.pem")))
    whole = "".join([*_blocks("sh"), *_blocks("sh forks")])

    def shown(script: str, at: Path) -> str:
        ended = _bash(script, at, shell, PUBLIC_KEY=str(public))
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    assert f"../{first.name}/{MANIFEST}: OK" in shown(whole, folder)
    for each in (whole, *_blocks("sh pruned")):
        assert "this is the first snapshot\n" in shown(each, first)
    assert webex_audit("prune", "--keep-last", 1).code == 0
    files, others, chain, *rest = _blocks("sh")
    shown("".join([files, others, *rest, *_blocks("sh forks")]), folder)
    assert f"{first.name}/{MANIFEST}: FAILED open or read" in _bash(chain, folder, shell).stdout
    assert shown("".join(_blocks("sh pruned")), folder).startswith('   "manifest_sha256": ')


@needs_programs
def test_the_commands_of_the_page_check_an_approval(
    chained: tuple[Path, Path], webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, public = chained
    digest, unpack = _blocks("sh approval")
    _, _, _, _, _, signature, *_ = _blocks("sh")
    assert _bash(digest, folder).returncode != 0
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(public.with_name("sign-key.pem")))
    for reason in ("first", "again"):
        assert webex_audit("approve", folder.name, "--reason", reason, "--by", "Ann").code == 0
    assert len(_bash(digest, folder).stdout.splitlines()) == 2
    said = _bash(f'{unpack}cat "$work/statement.json"\n', folder).stdout
    assert '"reason": "again"' in said
    assert sha256_of(folder / MANIFEST) in said
    assert _bash(unpack + signature, folder, PUBLIC_KEY=str(public)).returncode == 0
    record = folder.parent / "approved.json"
    record.write_text(re.sub(r'("sig": ".)(.)', lambda m: m[1] + ("A" if m[2] != "A" else "B"), record.read_text()))
    assert _bash(unpack + signature, folder, PUBLIC_KEY=str(public)).returncode == 1


@needs_programs
def test_the_commands_of_the_page_find_what_verify_finds(chained: tuple[Path, Path]) -> None:
    folder, public = chained
    files, others, chain, _, unpack, signature, subjects, _ = _blocks("sh")
    environment = {"PUBLIC_KEY": str(public)}
    csv = folder / "coverage.csv"
    whole = csv.read_bytes()
    csv.write_bytes(whole.replace(b"ok", b"no", 1))
    assert _bash(files, folder).stdout.count("coverage.csv: FAILED") == 1
    csv.unlink()
    assert _bash(files, folder).returncode == 1
    assert _bash(others, folder).returncode == 1
    csv.write_bytes(whole)
    (folder / "extra").touch()
    assert "extra" in _bash(others, folder).stdout
    (folder / "extra").unlink()
    manifest = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(manifest + b"\n")
    assert f"{MANIFEST}: FAILED" in _bash(unpack + subjects, folder).stdout
    (folder / MANIFEST).write_bytes(manifest)
    assert _bash(unpack + signature, folder, **environment).returncode == 0
    envelope = (folder / SIGNATURE).read_text()
    (folder / SIGNATURE).write_text(re.sub(r'("sig": ".)(.)', lambda m: m[1] + ("A" if m[2] != "A" else "B"), envelope))
    assert _bash(unpack + signature, folder, **environment).returncode == 1
    assert _bash(chain, folder).returncode == 0
    for other in folder.parent.glob(f"*/{MANIFEST}"):
        other.write_bytes(other.read_bytes() + b"\n")
    assert _bash(chain, folder).returncode == 1


@needs_programs
def test_the_commands_of_the_page_tell_pruned_from_missing_and_find_forks(
    chained: tuple[Path, Path], webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, public = chained
    (pruned,), (forks,) = _blocks("sh pruned"), _blocks("sh forks")
    _, _, chain, _, unpack, signature, *_ = _blocks("sh")
    assert _bash(forks, folder).stdout == ""
    shutil.copytree(folder, folder.parent / "20261121T190900Z-0a1b2c")
    assert len(_bash(forks, folder).stdout.split()) == 1
    shutil.rmtree(folder.parent / "20261121T190900Z-0a1b2c")
    (first,) = [each.path for each in list_snapshots(folder.parent) if each.path != folder]
    sha256 = sha256_of(first / MANIFEST)
    assert _bash(pruned, folder).returncode != 0
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(public.with_name("sign-key.pem")))
    assert webex_audit("prune", "--keep-last", 1).code == 0
    assert _bash(chain, folder).returncode == 1
    assert _bash(pruned, folder).stdout == f'   "manifest_sha256": "{sha256}",\n'
    script = (unpack + signature).replace("manifest.dsse.json", "pruned.dsse.json")
    assert "Signature Verified Successfully" in _bash(script, folder.parent, PUBLIC_KEY=str(public)).stdout
    result = webex_audit("verify", "--public-key", public)
    assert (result.code, "1 earlier snapshot was pruned" in result.err) == (0, True)


def test_a_public_key_of_nothing_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(UsageError, match="is not an Ed25519 public key"):
        load_public_key(tmp_path / "empty")
