import stat
from pathlib import Path

import pytest

from audit.files import atomic_file, make_dir, private_file, sha256_of, text_of


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


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
