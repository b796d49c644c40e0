"""`make dist`: one commit, one wheel and one sdist, which hold what the tool needs, and nothing else."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from commits import ROOT, committed, git
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from audit import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git, and a checkout")
    return committed(tmp_path_factory.mktemp("repository") / "webex-audit")


def build(repository: Path, folder: Path, **environment: str) -> tuple[Path, Path]:
    """The sdist and the wheel, built from another current folder."""
    command = [str(repository / ".ci" / "dist"), sys.executable, str(folder)]
    subprocess.run(command, cwd="/", env=os.environ | environment, capture_output=True, check=True, timeout=60)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(repository, tmp_path_factory.mktemp("dist"))


def test_the_same_commit_gives_the_same_bytes(repository: Path, built: tuple[Path, Path], tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        for name in ("audit/.env", "audit/key.pem", "data/share/notes.txt", "snapshots/latest"):
            (repository / name).parent.mkdir(exist_ok=True)
            (repository / name).write_text("secret")
        (repository / "audit" / "text.py").write_text("not committed")
        (repository / "audit" / "run").chmod(0o700)
        again = build(repository, tmp_path / "far" / "away", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    finally:
        os.umask(before)
    assert [each.read_bytes() for each in again] == [each.read_bytes() for each in built]


def test_line_ends_of_the_users_git_change_no_byte(repository: Path, built: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "attributes").write_text("*.py text eol=crlf\n*.sql export-ignore\n")
    (tmp_path / "config").write_text(
        f'[core]\nautocrlf = true\nattributesFile = "{tmp_path}/attributes"\n[tar]\numask = 0077\n'
    )
    again = build(repository, tmp_path / "again", GIT_CONFIG_GLOBAL=str(tmp_path / "config"))
    assert [each.read_bytes() for each in again] == [each.read_bytes() for each in built]


def test_every_user_may_read_what_was_built(built: tuple[Path, Path]) -> None:
    assert [each.stat().st_mode & 0o777 for each in built] == [0o644, 0o644]


def test_the_hashes_are_printed_as_sha256sum_checks_them(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run([repository / ".ci/dist", sys.executable, tmp_path], capture_output=True, check=True)
    checked = subprocess.run(["sha256sum", "--check"], cwd=tmp_path, input=done.stdout, capture_output=True, check=True)
    assert checked.stdout.count(b": OK") == 2


@pytest.mark.slow
def test_a_shallow_clone_is_enough_and_a_copy_without_a_commit_is_refused(
    repository: Path, built: tuple[Path, Path], tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", repository.as_uri(), "clone")
    assert [each.read_bytes() for each in build(tmp_path / "clone", tmp_path / "a dist")] == [
        each.read_bytes() for each in built
    ]
    (tmp_path / "clone" / ".git").rename(tmp_path / ".git")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        build(tmp_path / "clone", tmp_path / "refused")
    message = f"dist: {tmp_path / 'clone'} is not a clone of the repository, whose last commit is built\n"
    assert (refused.value.returncode, refused.value.stderr.decode()) == (2, message)
    assert not (tmp_path / "refused").exists()


def test_the_wheel_holds_the_whole_tool_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "audit").rglob("*") if path.is_file()}
    expected = {name for name in expected if "__pycache__" not in name}
    assert {Path(name).suffix for name in expected} >= {".sql", ".css", ".js", ".j2", ".typed"}
    assert names == expected | {f"webex_audit-{__version__}.data/data/share/man/man1/webex-audit.1"}


def test_the_sdist_holds_what_builds_the_wheel_and_nothing_else(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    others = {name for name in names if not name.startswith("audit/")}
    assert others == {"LICENSE", "PKG-INFO", "pyproject.toml", "data/share/man/man1/webex-audit.1"}


def test_the_metadata_is_valid_and_complete(built: tuple[Path, Path]) -> None:
    sdist, wheel = built
    with zipfile.ZipFile(wheel) as file:
        text = file.read(f"webex_audit-{__version__}.dist-info/METADATA")
        assert f"webex_audit-{__version__}.dist-info/licenses/LICENSE" in file.namelist()
    found = Metadata.from_email(text, validate=True)
    assert str(parse_wheel_filename(wheel.name)[1]) == str(parse_sdist_filename(sdist.name)[1]) == __version__
    assert (found.name, str(found.version), found.license_expression) == ("webex-audit", __version__, "Apache-2.0")
    assert str(found.requires_python) == PROJECT["requires-python"]
    assert set(found.provides_extra or ()) == set(PROJECT["optional-dependencies"])
    assert found.classifiers == sorted(PROJECT["classifiers"]) or found.classifiers == PROJECT["classifiers"]
    with tarfile.open(sdist) as archive:
        described = archive.extractfile(f"webex_audit-{__version__}/PKG-INFO")
        assert described
        assert described.read() == text


def test_the_description_has_no_link_that_leads_nowhere(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as file:
        message = email.message_from_bytes(file.read(f"webex_audit-{__version__}.dist-info/METADATA"))
    text = str(message.get_payload())
    assert message["Description-Content-Type"] == "text/markdown"
    assert "webex-audit demo" in text
    assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)]*)\)", text))
    assert set(PROJECT["optional-dependencies"]) == set(re.findall(r"`([a-z-]+)`", text)) & {
        *PROJECT["optional-dependencies"]
    }
