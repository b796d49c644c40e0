import traceback
from pathlib import Path

import pytest

from audit.errors import UsageError
from audit.webex.tokens import Token, find_token, is_readable_by_others


def test_a_token_is_never_shown() -> None:
    token = Token("s3cret")
    assert "s3cret" not in f"{token} {token!r} {[token]}"
    assert token.authorization() == "Bearer s3cret"
    assert token.redact("echo s3cret!") == "echo [token]!"


def test_a_flag_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-file\n")
    environment = {"WEBEX_ACCESS_TOKEN": "of-environment"}
    assert find_token(environment, str(file), file_is_flag=True).authorization() == "Bearer of-file"
    assert find_token(environment, str(file)).authorization() == "Bearer of-environment"
    assert find_token({}, str(file)).authorization() == "Bearer of-file"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"Bearer s3cret", "no access token"),
        (b"s3cret\nmore", "no access token"),
        ("s3cret\N{BULLET}".encode(), "no access token"),
        (b"\xff\xfe", "not a text file"),
    ],
)
def test_a_file_that_holds_no_token_is_named_and_not_shown(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint) as caught:
        find_token({}, str(file))
    assert str(file) in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_no_token_says_where_to_put_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="WEBEX_ACCESS_TOKEN"):
        find_token({}, None)
    with pytest.raises(UsageError, match="No such file"):
        find_token({}, str(tmp_path / "absent"))


def test_a_file_open_to_others_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    assert not is_readable_by_others(file)
    file.chmod(0o640)
    assert is_readable_by_others(file)
