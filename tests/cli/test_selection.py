import io
from pathlib import Path

import pytest

from audit.cli.selection import Selection, select
from audit.errors import UsageError
from audit.inventory import Users
from audit.simulator.organization import Organization

ONE, TWO, THREE = (Organization(3).workspace(index)["id"] for index in range(3))


def test_nothing_selected_means_all() -> None:
    assert select([], None, io.StringIO()) is None


def test_ids_come_from_flags_a_file_and_standard_input_each_once(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text(f"\ufeff{TWO}\r\n\n# a comment\n  {THREE}  \n{TWO}\n")
    assert select([ONE, TWO], str(file), io.StringIO()) == [ONE, TWO, THREE]
    file.write_bytes(f"{TWO}\r\n{THREE}\r\n\r\n".encode("utf-16"))
    assert select([], str(file), io.StringIO()) == [TWO, THREE]
    assert select([], "-", io.TextIOWrapper(io.BytesIO(f"\ufeff{ONE}\n{TWO}==".encode()))) == [ONE, TWO]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"{ONE}\nhello\n".encode(), r"line 2: 'hello' is not a Webex id"),
        (f"{ONE},Reception\n".encode(), r"line 1: .* is not a Webex id"),
        (b"8c9fd285-6500-4518-856e-eb836c6761d8", r"line 1: 8c9f.* is a bare UUID"),
        (b"x" * 5000, r"line 1: 'x{60}…' is not a Webex id"),
        (b"a\x1b[31mb", r"line 1: 'a\\x1b\[31mb' is not a Webex id"),
        (b"\xff\xfe\x00", r"is not a text file"),
        (b"\n# only comments\n", r"names no workspace"),
        (b"", r"names no workspace"),
    ],
)
def test_a_file_with_junk_is_refused_with_the_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "ids"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint) as caught:
        select([], str(file), io.StringIO())
    assert str(file) in str(caught.value)


def test_a_bad_flag_or_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--workspace-id: 'junk' is not a Webex id"):
        select(["junk"], None, io.StringIO())
    with pytest.raises(UsageError, match="organization, not of a workspace"):
        select([Organization(1).org_id], None, io.StringIO())
    with pytest.raises(UsageError, match="standard input names no workspace"):
        select([], "-", None)
    with pytest.raises(UsageError, match="No such file"):
        select([], str(tmp_path / "absent"), io.StringIO())


def test_standard_input_is_read_once() -> None:
    Selection((), "-", (), None).check_stdin()
    with pytest.raises(UsageError, match="can't both read standard input"):
        Selection((), "-", (), "-").check_stdin()
    wanted, users = Selection((ONE,), None, ("Alice@example.com", "alice@example.com"), None).read(None)
    assert (wanted, users) == ([ONE], Users("named", ("Alice@example.com",)))
