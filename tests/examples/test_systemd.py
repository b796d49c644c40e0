"""The units for systemd: accepted without a warning, in agreement with each other, and with the exit codes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from examples import EXAMPLES, program

SYSTEMD = EXAMPLES / "systemd"
UNITS = sorted(path.name for path in SYSTEMD.iterdir())
SERVICES = ("webex-audit.service", "webex-audit-review.service")
_ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(not _ANALYZE, reason="systemd-analyze is not installed")


def settings(unit: str) -> dict[str, list[str]]:
    """The keys of a unit with their values, in order."""
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def words(unit: str, key: str) -> set[str]:
    return {word for value in settings(unit).get(key, []) for word in value.split()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with systemd's own units, the example, and the programs that it starts."""
    installed = next(path for path in (Path("/usr/lib/systemd"), Path("/lib/systemd")) if (path / "system").is_dir())
    shutil.copytree(installed / "system", tmp_path / "usr" / "lib" / "systemd" / "system", symlinks=True)
    (tmp_path / "lib" / "systemd").parent.mkdir()
    (tmp_path / "lib" / "systemd").symlink_to("../usr/lib/systemd")
    for name in ("opt/webex-audit/bin/webex-audit", "bin/sh"):
        program(tmp_path / name, "")
    shutil.copytree(SYSTEMD, tmp_path / "etc" / "systemd" / "system")
    return tmp_path


def verify(root: Path, *units: str) -> subprocess.CompletedProcess[str]:
    names = [unit.replace("@.", "@webex-audit.") for unit in units]
    command = [str(_ANALYZE), "verify", "--man=no", f"--root={root}", *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_each_unit_without_a_warning(unit: str, root: Path) -> None:
    done = verify(root, unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("text", "wrong", "said"),
    [
        ("UMask=0077", "RestartForceExitStatus=5", "isn't allowed for Type=oneshot"),
        ("Restart=on-failure", "Restart=always", "isn't allowed for Type=oneshot"),
        ("RestartPreventExitStatus=", "RestartPreventExitCode=", "Unknown key"),
        ("bin/webex-audit run", "bin/webexaudit run", "is not executable"),
    ],
)
def test_systemd_would_say_what_is_wrong(text: str, wrong: str, said: str, root: Path) -> None:
    unit = root / "etc" / "systemd" / "system" / "webex-audit.service"
    unit.write_text(unit.read_text().replace(text, wrong))
    assert said in verify(root, unit.name).stderr


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_systemd_calls_each_service_well_protected(unit: str, root: Path) -> None:
    command = [str(_ANALYZE), "security", "--offline=true", "--threshold=20", f"--root={root}", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges running units only")
    assert done.returncode == 0, done.stdout


@needs_systemd
def test_the_timer_elapses_every_night() -> None:
    (calendar,) = settings("webex-audit.timer")["OnCalendar"]
    command = [str(_ANALYZE), "calendar", "--iterations=3", calendar]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.findall(r"\b(\d\d:\d\d:\d\d)\b(?! left)", done.stdout)[-3:] == ["02:15:00"] * 3


def becomes(code: int) -> str:
    """What systemd makes of an exit code of the run, by systemd.service(5)."""
    unit = "webex-audit.service"
    if str(code) in words(unit, "SuccessExitStatus") | {"0"}:
        return "success"
    if settings(unit)["Restart"] == ["on-failure"] and str(code) not in words(unit, "RestartPreventExitStatus"):
        return "restart"
    return "failure"


@pytest.mark.parametrize(("becoming", "codes"), [("success", (0, 3, 6)), ("restart", (5,)), ("failure", (2, 4, 70))])
def test_each_exit_code_becomes_what_the_table_says(becoming: str, codes: tuple[int, ...]) -> None:
    assert {code: becomes(code) for code in codes} == dict.fromkeys(codes, becoming)


def test_a_success_is_reviewed_and_a_failure_is_mailed() -> None:
    assert settings("webex-audit.service")["OnSuccess"] == ["webex-audit-review.service"]
    for unit in SERVICES:
        assert settings(unit)["OnFailure"] == ["webex-audit-failed@%N.service"]
    # prune may meet another run.
    assert words("webex-audit-review.service", "SuccessExitStatus") == {"6"}
    assert settings("webex-audit-review.service")["ExecStart"][-1].split()[1] == "check", (
        "its exit code 1 ends the unit"
    )


@pytest.mark.parametrize("unit", SERVICES)
def test_what_a_service_writes_lies_in_its_state_folder(unit: str) -> None:
    given = settings(unit)
    assert (given["ProtectSystem"], given["UMask"]) == (["strict"], ["0077"])
    (name,) = given["StateDirectory"]
    texts = " ".join(given["ExecStart"] + given["Environment"] + given["WorkingDirectory"]).replace("%S", "/var/lib")
    written = re.findall(r"/var/[\w/.-]+", texts)
    assert {f"/var/lib/{name}", f"/var/lib/{name}/snapshots"} <= {*written}
    assert all(f"{path}/".startswith(f"/var/lib/{name}/") for path in written)


def test_both_services_are_protected_alike() -> None:
    first, second = (settings(unit) for unit in SERVICES)
    keys = [*first][[*first].index("UMask") :]
    assert {key: first[key] for key in keys} == {key: second[key] for key in keys}
    assert len(keys) > 20


def test_each_unit_says_where_it_goes() -> None:
    for unit in UNITS:
        assert f"/etc/systemd/system/{unit}" in (SYSTEMD / unit).read_text().splitlines()[0], unit
