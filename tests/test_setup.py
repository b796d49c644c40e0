"""A fresh machine: the locks hold what pyproject.toml asks for, and make sets up what belongs to one Python."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: Which extras and groups each lock was made from; those in ALONE without the project itself.
LOCKS = {
    "run": ["review", "build"],
    "image": ["review", "object-store", "notify", "build"],
    "dev": ["review", "object-store", "dev"],
    "bench": ["review", "bench"],
    "lock": ["lock"],
    "supply": ["supply"],
    "oldest-pip": ["oldest-pip"],
}
ALONE = {"lock", "supply", "oldest-pip"}

Run = Callable[..., subprocess.CompletedProcess[str]]


def asked(lists: list[Any]) -> Iterator[Requirement]:
    for entry in lists:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from asked(PROJECT["dependency-groups"][entry["include-group"]])


def pins(lock: str) -> Iterator[tuple[Requirement, int]]:
    """The pins of a lock, and the number of their hashes."""
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", "").splitlines()
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"--hash=sha256:", line)
            yield Requirement(requirement.strip()), len(hashes)


def test_every_lock_is_known() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_each_package_with_hashes(lock: str) -> None:
    found = list(pins(lock))
    assert found
    for pin, hashes in found:
        assert [each.operator for each in pin.specifier] == ["=="], pin
        assert hashes, pin


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    versions: dict[str, list[str]] = {}
    for pin, _ in pins(lock):
        (version,) = pin.specifier
        versions.setdefault(canonicalize_name(pin.name), []).append(version.version)
    lists = [] if lock in ALONE else PROJECT["project"]["dependencies"]
    tables = PROJECT["project"]["optional-dependencies"] | PROJECT["dependency-groups"]
    for requirement in asked([*lists, *(entry for name in LOCKS[lock] for entry in tables[name])]):
        held = versions.get(canonicalize_name(requirement.name), [])
        assert held, f"{lock}.txt lacks {requirement}; run: make lock"
        assert all(requirement.specifier.contains(version) for version in held), f"{requirement}; run: make lock"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command in a folder that holds what the set-up needs, as from a shell of its own."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("requirements", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    # The tests may themselves run below make.
    ours = {name: value for name, value in os.environ.items() if not re.search("MAKE|^MFLAGS|^PYTHONS?$|^VENV$", name)}

    def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(words, cwd=tmp_path, env=ours | environment, capture_output=True, text=True, check=False)

    return run


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python that says what the file `version` holds, and makes venvs of nothing."""
    (tmp_path / "version").write_text("3.11.7")
    return program(tmp_path / "python", 'case "$1" in -c) cat version ;; -m) mkdir "$3" && [ ! -e full ] ;; esac')


def test_a_venv_stays_until_its_python_changes(run: Run, python: Path, tmp_path: Path) -> None:
    def again() -> bool:
        assert run("make", f"PYTHON={python}", ".venv/python").returncode == 0
        was_there = (tmp_path / ".venv" / "installed").exists()
        (tmp_path / ".venv" / "installed").touch()
        return was_there

    assert [again(), again()] == [False, True]
    (tmp_path / "version").write_text("3.12.1")
    assert [again(), again()] == [False, True]


def test_a_venv_that_was_cut_off_is_made_anew(run: Run, python: Path, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    assert run("make", f"PYTHON={python}", ".venv/python").returncode != 0
    (tmp_path / ".venv" / "half").touch()
    (tmp_path / "full").unlink()
    assert run("make", f"PYTHON={python}", ".venv/python").returncode == 0
    assert [path.name for path in (tmp_path / ".venv").iterdir()] == ["python"]


@pytest.mark.parametrize("text", ["echo 3.10.2; exit 1", "exit 127"])
def test_a_python_that_does_not_do_leaves_the_venv_alone(run: Run, python: Path, tmp_path: Path, text: str) -> None:
    run("make", f"PYTHON={python}", ".venv/python")
    result = run("make", f"PYTHON={program(tmp_path / 'other', text)}", ".venv/python")
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stdout
    assert (tmp_path / ".venv" / "python").exists()


@pytest.mark.slow
def test_the_locks_are_not_checked_without_an_index(run: Run, tmp_path: Path) -> None:
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": ""}
    result = run(".ci/check-locks", "checked", PYTHON=sys.executable, **nowhere)
    assert result.returncode == 0, result.stderr
    assert "check-locks: skipped, because pip cannot download from the package index: " in result.stdout
    assert "Connection refused" in result.stdout
    assert not (tmp_path / "checked").exists()


def test_all_pythons_that_start_are_tested(run: Run, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("test:\n\t@echo testing in $(VENV) with $(PYTHON)\n\t@[ ! -e bug ]\n")
    broken = program(tmp_path / "broken", "exit 127")

    def test_all(*pythons: object) -> tuple[int, str]:
        done = run(".ci/test-all", ".venv", *pythons)
        return done.returncode, done.stdout

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    skipped = f"not here, or does not start: {broken} python-of-nobody\n"
    code, out = test_all(broken, sys.executable, "python-of-nobody")
    tested, summary = out.splitlines(keepends=True)
    assert code == 0
    assert tested == f"testing in .venv-{version} with {sys.executable}\n"
    assert summary == f"test-all: passed: {sys.executable}; failed: none; {skipped}"
    assert test_all(broken, "python-of-nobody") == (1, f"test-all: passed: none; failed: none; {skipped}")
    (tmp_path / "bug").touch()
    code, out = test_all(sys.executable)
    assert code == 1
    assert out.endswith(f"test-all: passed: none; failed: {sys.executable}; not here, or does not start: none\n")


def looked_up(*packages: dict[str, Any]) -> str:
    """A shell script that writes what pip-audit says."""
    result = json.dumps({"dependencies": packages})
    return f"for last; do :; done; echo '{result}' > \"$last\"; exit 1"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("exit 1", 0, "skipped: pip-audit is not installed, or PyPI can't be reached"),
        (looked_up({"name": "a", "skip_reason": "not found"}), 0, "1 packages, 1 not in the database, 0 faults"),
        (looked_up({"name": "a", "version": "1", "vulns": []}), 0, "1 packages, 0 not in the database, 0 faults"),
        (
            looked_up({"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}),
            1,
            "a 1 has CVE-1, fixed in 2",
        ),
    ],
    ids=["unreachable", "unknown", "fine", "vulnerable"],
)
def test_a_package_is_called_sound_only_if_it_was_looked_up(
    text: str, code: int, said: str, run: Run, tmp_path: Path
) -> None:
    result = run(sys.executable, ".ci/check-packages", program(tmp_path / "pip-audit", text))
    assert (result.returncode, said in result.stdout) == (code, True), result.stdout


def test_without_the_tool_the_look_up_is_skipped_aloud(run: Run) -> None:
    result = run(sys.executable, ".ci/check-packages", "nowhere/pip-audit")
    assert (result.returncode, result.stdout.count("skipped: ")) == (0, 2)


@pytest.mark.slow
def test_the_list_of_packages_is_valid_and_has_what_the_lock_pins(run: Run, tmp_path: Path) -> None:
    tool = next(filter(Path.exists, (ROOT / f"{venv}/bin/cyclonedx-py" for venv in (".venv-supply", ".venv"))), None)
    if tool is None:
        pytest.skip("cyclonedx-bom is not installed: make sbom")
    (tmp_path / "audit").mkdir()
    shutil.copy(ROOT / "audit" / "__init__.py", tmp_path / "audit")
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    texts = []
    for _ in range(2):
        result = run(tool.with_name("python"), ".ci/sbom", tool, "sbom.json")
        assert result.returncode == 0, result.stderr
        texts.append((tmp_path / "sbom.json").read_text())
    assert texts[0] == texts[1]
    document = json.loads(texts[0])
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "webex-audit")
    found = {(each["name"], each["version"]) for each in document["components"]}
    assert found == {(pin.name, next(iter(pin.specifier)).version) for pin, _ in pins("run")}
