"""Others may have prepared the output folder: nothing of theirs is written to, and the user hears of it."""

import logging
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Result

from audit import files
from audit.errors import UsageError
from audit.output import access
from audit.output.access import check_access
from audit.output.lock import lock
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

pytestmark = pytest.mark.attack("planted links and files")

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OTHER = 4242
needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may give a file away")


@pytest.fixture
def commands(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that write to an output."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    base_url = api(Simulation(Organization(3)))
    return [
        ["run", "--base-url", base_url],
        ["doctor", "--base-url", base_url],
        ["prune", "--keep-last", "1"],
        ["prune", "--keep-last", "1", "--dry-run"],
        ["demo", "--workspaces", "3", "--people", "3", "--virtual-lines", "1"],
    ]


def refused(result: Result) -> str:
    """The one line with which a command refuses; `doctor` prints it among its checks."""
    assert result.code == 2, result
    lines = [line for line in (result.out + result.err).splitlines() if ".lock" in line or "output" in line]
    assert len(lines) == 1, result
    assert "Traceback" not in result.err
    return lines[0]


def bind(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)
    os.chdir(here)


def victim_of(folder: Path) -> Path:
    victim = folder / "victim"
    victim.write_text("precious")
    return victim


LOCKS: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda path, victim: path.symlink_to(victim),
    "a link to nothing": lambda path, victim: path.symlink_to(victim.with_name("new")),
    "a hard link": lambda path, victim: path.hardlink_to(victim),
    "a link to a device": lambda path, _: path.symlink_to("/dev/null"),
    "a pipe": lambda path, _: os.mkfifo(path),
    "a socket": lambda path, _: bind(path),
    "a folder": lambda path, _: path.mkdir(),
}


@pytest.mark.few(3)
@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", LOCKS.values(), ids=LOCKS)
def test_nothing_is_written_through_a_lock_that_somebody_has_planted(
    plant: Callable[[Path, Path], object], commands: list[list[str]], webex_audit: Command, tmp_path: Path
) -> None:
    victim, output = victim_of(tmp_path), tmp_path / "out"
    output.mkdir(mode=0o700)
    plant(output / ".lock", victim)
    for command in commands:
        assert "remove it" in refused(webex_audit(*command, "--output", output))
        assert "remove it" in refused(webex_audit(*command, "--output", output, "--output-shared"))
    assert victim.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "victim"]
    assert [path.name for path in output.iterdir()] == [".lock"]


@needs_root
def test_a_lock_of_another_user_is_refused(commands: list[list[str]], webex_audit: Command, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir(mode=0o700)
    (output / ".lock").write_text("theirs")
    os.chown(output / ".lock", OTHER, OTHER)
    for command in commands:
        assert f"belongs to another user ({OTHER})" in refused(webex_audit(*command, "--output", output))
    assert (output / ".lock").read_text() == "theirs"


def test_a_lock_that_others_may_open_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".lock").chmod(0o666)
    with lock(tmp_path):
        assert stat.S_IMODE((tmp_path / ".lock").stat().st_mode) == 0o600


@pytest.mark.few(2)
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o703, 0o2777])
@pytest.mark.slow
def test_a_folder_that_everybody_may_write_to_is_refused(
    mode: int, commands: list[list[str]], webex_audit: Command, tmp_path: Path
) -> None:
    output = tmp_path / "out put"
    output.mkdir()
    output.chmod(mode)
    for command in commands:
        line = refused(webex_audit(*command, "--output", output))
        assert f"'chmod go-w '{output}''" in line
        assert "--output-shared" in line
    assert [*output.iterdir()] == []
    for command in commands:
        assert webex_audit(*command, "--output", output, "--output-shared").code in (0, 3)


@pytest.mark.parametrize("mode", [0o777, 0o707])
@pytest.mark.slow
def test_a_folder_above_that_everybody_may_write_to_is_refused(
    mode: int, commands: list[list[str]], webex_audit: Command, tmp_path: Path
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(mode)
    outputs = (above / "out", above / "deep" / "out")
    for output in outputs:
        for command in commands:
            if command[0] != "prune":
                assert f"chmod go-w {above}" in refused(webex_audit(*command, "--output", output))
    assert [*above.iterdir()] == []
    for output in outputs:
        output.mkdir(parents=True)
        for command in commands:
            assert f"chmod go-w {above}" in refused(webex_audit(*command, "--output", output))
        assert [*output.iterdir()] == []
    above.chmod(mode | stat.S_ISVTX)
    for command in commands:
        assert webex_audit(*command, "--output", above / "out").code in (0, 3)


@needs_root
@pytest.mark.slow
def test_a_folder_of_another_user_is_refused(commands: list[list[str]], webex_audit: Command, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir(mode=0o700)
    os.chown(output, OTHER, OTHER)
    for command in commands:
        assert f"belongs to user {OTHER}" in refused(webex_audit(*command, "--output", output))
    assert [*output.iterdir()] == []
    for command in commands:
        assert webex_audit(*command, "--output", output, "--output-shared").code in (0, 3)


@needs_root
def test_a_link_of_another_user_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to("mine")
    check_access(link)
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    for output in (link, link / "out", tmp_path / "mine" / ".." / "link" / "out"):
        with pytest.raises(UsageError, match="is a link of user 4242"):
            check_access(output)


def test_a_link_leads_to_the_folders_that_are_checked(tmp_path: Path) -> None:
    (tmp_path / "open" / "mine").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "second").symlink_to(tmp_path / "open" / "mine")
    (tmp_path / "first").symlink_to("second")
    for output in (tmp_path / "first", tmp_path / "first" / "out", tmp_path / "first" / ".."):
        with pytest.raises(UsageError, match="chmod go-w"):
            check_access(output)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"Too many levels|symbolic links"):
        check_access(tmp_path / "loop")


def test_a_folder_that_its_group_may_write_to_is_a_warning_once(
    commands: list[list[str]], webex_audit: Command, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    output.chmod(0o2770)
    for command in commands[:4]:
        result = webex_audit(*command, "--output", output)
        assert (result.code, result.err.count("its group may write there")) == (0, 1), result.err
        assert f"'chmod g-w {output}'" in result.err
        assert "its group may" not in webex_audit(*command, "--output", output, "--output-shared").err


@needs_root
def test_a_folder_above_of_another_user_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(tmp_path, OTHER, OTHER)
    with caplog.at_level(logging.WARNING, "audit"), lock(tmp_path / "out", makes=True):
        pass
    assert f"a folder of user {OTHER}, who could exchange it" in caplog.text


@pytest.fixture
def as_other() -> Iterator[Path]:
    """Acts as another user, who may write to a folder of root, as the volumes of Kubernetes are."""
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, 0, OTHER)
    folder.chmod(0o2770)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(OTHER)
    os.seteuid(OTHER)
    yield folder
    os.seteuid(0)
    os.setegid(0)
    os.setgroups(groups)
    shutil.rmtree(folder)


@needs_root
def test_a_folder_of_root_is_not_a_threat(as_other: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "audit"), lock(as_other / "out", makes=True), lock(as_other):
        assert (as_other / ".lock").stat().st_uid == OTHER
    assert caplog.text.count("its group may write there") == 1


@needs_root
def test_a_lock_that_root_left_is_named_and_not_taken_for_a_folder_without_rights(as_other: Path) -> None:
    os.seteuid(0)
    (as_other / ".lock").touch(0o600)
    os.seteuid(OTHER)
    with (
        pytest.raises(UsageError, match=r"belongs to another user \(0\): look what it is, and remove it"),
        lock(as_other),
    ):
        pytest.fail("it is held")


def test_a_setting_insists_as_the_flag_does(
    commands: list[list[str]], webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    output.chmod(0o777)
    config = tmp_path / "config.toml"
    config.write_text(f'[output]\npath = "{output}"\nshared = true\n')
    for command in commands[:4]:
        assert webex_audit(*command, "--config", config).code == 0
    monkeypatch.setenv("WEBEX_AUDIT_OUTPUT_SHARED", "true")
    assert webex_audit(*commands[0], "--output", output).code == 0


def made_by_another(output: Path) -> None:
    output.mkdir(mode=0o700)
    os.chown(output, OTHER, OTHER)


def linked_by_another(output: Path) -> None:
    (output.parent / "planted").mkdir()
    output.symlink_to("planted")
    os.chown(output, OTHER, OTHER, follow_symlinks=False)


def made_for_everybody(output: Path) -> None:
    output.mkdir()
    output.chmod(0o777)


@needs_root
@pytest.mark.parametrize("faster", [made_by_another, linked_by_another, made_for_everybody])
def test_an_output_that_another_user_makes_just_before_the_run_does_is_refused(
    faster: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o1777)
    output = tmp_path / "out"

    def make_dir(path: Path) -> None:
        faster(path)
        files.make_dir(path)

    monkeypatch.setattr(access, "make_dir", make_dir)
    with pytest.raises(UsageError, match="--output-shared"), lock(output, makes=True):
        pytest.fail("it is held")
    assert [*output.iterdir()] == []
