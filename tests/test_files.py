import errno
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from audit.files import (
    IrregularFileError,
    atomic_file,
    check_replaceable,
    check_rewritable,
    make_dir,
    open_regular,
    private_file,
    rewrite,
    scratch_folder,
    sha256_of,
    text_of,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files_are_for_this_user_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_dir(folder)
    make_dir(folder)
    with atomic_file(folder / "file") as file:
        file.write(b"x")
    assert [mode(path) for path in (folder.parent, folder, folder / "file")] == [0o700, 0o700, 0o600]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with atomic_file(target) as file:
        file.write(b"old")

    def fail() -> None:
        with atomic_file(target) as file:
            file.write(b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [target]


def test_nothing_that_is_there_is_written_through_or_over(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    link = tmp_path / "link"
    link.symlink_to(mine)
    for path in (mine, link):
        with pytest.raises(FileExistsError), private_file(path) as file:
            file.write(b"theirs")
    with atomic_file(link) as file:
        file.write(b"new")
    assert (mine.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"mine", b"new", False)


@pytest.mark.parametrize(
    "data",
    [
        b"one\ntwo\n",
        b"one\r\ntwo\r\n",
        b"\xef\xbb\xbfone\r\ntwo\n",
        b"\xef\xbb\xbf\xef\xbb\xbfone\ntwo\n",
        "one\r\ntwo\n".encode("utf-16"),
        b"\xfe\xff" + "one\ntwo\n".encode("utf-16-be"),
    ],
)
def test_a_text_is_the_same_from_every_editor(data: bytes) -> None:
    assert text_of(data) == "one\ntwo\n"


def test_what_is_not_a_text_is_refused() -> None:
    for data in (b"\xff", b"\xff\xfe\x00", "a\xe9".encode("latin-1")):
        with pytest.raises(UnicodeDecodeError):
            text_of(data)


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_bytes(b"a-longer-old-secret\n")
    file.chmod(0o600)
    return file


def test_a_private_file_is_replaced_at_once(secret: Path) -> None:
    with secret.open("rb") as old:
        rewrite(secret, b"new\n")
        assert old.read() == b"a-longer-old-secret\n"
    assert (secret.read_bytes(), mode(secret)) == (b"new\n", 0o600)
    assert [*secret.parent.iterdir()] == [secret]


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o440, 0o400])
def test_whoever_may_read_a_file_still_may_when_it_is_replaced(secret: Path, permissions: int) -> None:
    secret.chmod(permissions)
    rewrite(secret, b"new\n")
    assert (secret.read_bytes(), mode(secret)) == (b"new\n", permissions)


def test_each_hard_link_to_a_file_gets_the_new_content(secret: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    os.link(secret, other)
    for new in (b"new\n", b"a-new-secret-that-is-even-longer\n"):
        rewrite(secret, new)
        assert secret.samefile(other)
        assert other.read_bytes() == new
    assert sorted(tmp_path.iterdir()) == [other, secret]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("start", [".", "/"])
def test_a_link_stays_a_link_to_what_is_replaced(tmp_path: Path, secret: Path, depth: int, start: str) -> None:
    links = tmp_path / "links"
    links.mkdir()
    link = secret
    for number in range(depth):
        before, link = link, links / str(number)
        link.symlink_to(os.path.relpath(before, links) if start == "." else before)
    rewrite(link, b"new\n")
    assert link.is_symlink()
    assert (link.read_bytes(), secret.read_bytes(), mode(secret)) == (b"new\n", b"new\n", 0o600)
    assert [*secret.parent.glob(".*"), *links.glob(".*")] == []


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM, errno.ENOSPC])
@pytest.mark.parametrize("new", [b"new\n", b"a-new-secret-that-is-even-longer\n"])
def test_a_file_that_can_not_be_replaced_is_written_in_place(
    secret: Path, monkeypatch: pytest.MonkeyPatch, number: int, new: bytes
) -> None:
    inode = secret.stat().st_ino
    monkeypatch.setattr(os, "replace", refusing(number))
    rewrite(secret, new)
    assert (secret.read_bytes(), mode(secret), secret.stat().st_ino) == (new, 0o600, inode)
    assert [*secret.parent.iterdir()] == [secret]


@pytest.mark.skipif(not hasattr(os, "fchown") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_of_a_file_stays_its_owner(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(secret, 1234, 5678)
    rewrite(secret, b"new\n")
    assert (secret.stat().st_uid, secret.stat().st_gid, mode(secret)) == (1234, 5678, 0o600)
    monkeypatch.setattr(os, "fchown", refusing(errno.EPERM))
    rewrite(secret, b"newer\n")
    assert (secret.stat().st_uid, secret.stat().st_gid, secret.read_bytes()) == (1234, 5678, b"newer\n")


def test_a_file_that_is_gone_appears_again_if_its_folder_is_there(secret: Path) -> None:
    secret.unlink()
    check_rewritable(secret)
    assert [*secret.parent.iterdir()] == []
    rewrite(secret, b"new\n")
    assert (secret.read_bytes(), mode(secret)) == (b"new\n", 0o600)
    for nowhere in (secret / "below", secret.parent / "absent" / "file"):
        with pytest.raises(OSError, match=r"Not a directory|No such file"):
            check_rewritable(nowhere)
        with pytest.raises(OSError, match=r"Not a directory|No such file"):
            rewrite(nowhere, b"new\n")


@pytest.mark.parametrize(("user", "owner_of_folder", "may"), [(54321, 0, False), (0, 0, True), (54321, 54321, True)])
def test_in_a_folder_such_as_tmp_only_its_owner_may_replace_a_file(
    user: int, owner_of_folder: int, *, may: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root gives a folder away")
    (tmp_path / "file").write_bytes(b"of somebody else")
    tmp_path.chmod(0o1777)
    os.chown(tmp_path, owner_of_folder, -1)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with nullcontext() if may else pytest.raises(PermissionError, match="only its owner may replace it"):
        check_replaceable(tmp_path / "file")
    check_replaceable(tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_immutable_can_not_be_replaced_and_any_other_can(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o000)
    (tmp_path / "link").symlink_to("nowhere")
    check_replaceable(tmp_path / "file")
    check_replaceable(tmp_path / "link")
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", tmp_path / "file"], check=False).returncode:
        pytest.skip("this system has no immutable files")
    try:
        with pytest.raises(PermissionError):
            check_replaceable(tmp_path / "file")
    finally:
        subprocess.run(["chattr", "-i", tmp_path / "file"], check=True)


def test_a_folder_in_place_of_a_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for work in (check_rewritable, lambda path: rewrite(path, b"new\n")):
        with pytest.raises(IsADirectoryError):
            work(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(path.with_name("victim")),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
}


@pytest.mark.attack("planted links and files")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_what_is_planted_in_the_place_of_a_file_is_not_read(plant: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    plant(tmp_path / "file")
    for read in (open_regular, sha256_of):
        with pytest.raises(IrregularFileError):
            read(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent")


@pytest.mark.attack("planted links and files")
@pytest.mark.timeout(10)
def test_a_pipe_or_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "device"):
        with pytest.raises(IrregularFileError), atomic_file(path):
            pytest.fail("it is written")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device", "pipe"]


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_new_file_takes_the_place_of_a_planted_link(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    link(tmp_path / "file", tmp_path / "victim")
    with atomic_file(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert ((tmp_path / "file").read_bytes(), (tmp_path / "file").is_symlink()) == (b"new", False)


@pytest.mark.attack("planted links and files")
def test_no_name_of_an_unfinished_file_can_be_guessed(tmp_path: Path) -> None:
    names = set()
    for _ in range(20):
        with atomic_file(tmp_path / "r.html"):
            names |= {path.name for path in tmp_path.glob(".*")}
    assert len(names) == 20
    assert all(len(name) == len(".r.html.01234567.tmp") for name in names)


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_file_for_others_has_its_permissions_before_it_has_its_name(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with atomic_file(tmp_path / "file", 0o644):
            assert [mode(path) for path in tmp_path.iterdir()] == [0o600 & ~umask]
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == 0o644


@pytest.mark.attack("planted links and files")
@pytest.mark.skipif(not hasattr(os, "fchown") or os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_that_another_user_exchanges_at_the_last_moment_is_not_taken_for_ours(tmp_path: Path) -> None:
    def exchange() -> None:
        with atomic_file(tmp_path / "file") as file:
            file.write(b"ours")
            (unfinished,) = tmp_path.iterdir()
            unfinished.unlink()
            unfinished.write_bytes(b"theirs")
            os.chown(unfinished, 4242, 4242)

    with pytest.raises(PermissionError, match="another user has put another file in its place"):
        exchange()


def test_a_signal_while_a_scratch_folder_is_removed_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remove, signals = os.unlink, [KeyboardInterrupt]

    def remove_as_a_signal_comes(*arguments: Any, **options: Any) -> None:
        if signals:
            raise signals.pop()
        remove(*arguments, **options)

    def use() -> None:
        with scratch_folder() as folder:
            for name in "abc":
                (folder / name).touch()
            monkeypatch.setattr(os, "unlink", remove_as_a_signal_comes)

    with pytest.raises(KeyboardInterrupt):
        use()
    assert (signals, [*tmp_path.iterdir()]) == ([], [])
