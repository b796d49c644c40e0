import asyncio
import sys
import traceback
from pathlib import Path

import pytest

from audit.errors import UsageError
from audit.files import is_readable_by_others
from audit.redaction import redact, redact_answer
from audit.webex.errors import TokenRefusedError
from audit.webex.tokens import (
    CommandTokens,
    FileTokens,
    StaticTokens,
    Token,
    TokenSource,
    environment_token,
    read_token,
)


@pytest.mark.attack("redaction")
def test_a_token_is_never_shown() -> None:
    token = Token("s3cret")
    assert "s3cret" not in f"{token} {token!r} {[token]}"
    assert token.authorization() == "Bearer s3cret"
    assert redact("echo S3CRET!") == "echo [secret]!"
    assert redact_answer(b"echo s3cret!") == b"echo [secret]!"
    assert token == Token("s3cret") != Token("other")
    assert len({token, Token("s3cret")}) == 1


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"Bearer s3cret", 'and nothing else; leave out "Bearer"$'),
        (b'"Bearer s3cret"', 'and nothing else; leave out "Bearer"$'),
        (b"Authorization: Bearer s3cret", 'and nothing else; leave out "Bearer"$'),
        (b'"s3cret"', "and nothing else; leave out the quotes$"),
        (b"'s3cret'", "and nothing else; leave out the quotes$"),
        (b"s3cret\nmore", "no access token"),
        ("s3cret\N{BULLET}".encode(), "no access token"),
        (b"\xff\xfe", "is empty"),
        (b"\xff", "not a text file"),
    ],
)
def test_a_file_that_holds_no_token_is_named_and_not_shown(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint) as caught:
        read_token(file)
    assert str(file) in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfs3cret",
        b"s3cret\r\n\r\n",
        b"\xef\xbb\xbf\r\n s3cret\t\r\n",
        "s3cret\r\n".encode("utf-16"),
        b"\xfe\xff" + "s3cret".encode("utf-16-be"),
    ],
)
def test_a_token_is_read_as_any_editor_writes_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    assert read_token(file) == Token("s3cret")
    assert get(command(tmp_path, f"import sys; sys.stdout.buffer.write({content!r})")) == Token("s3cret")


def test_the_environment_may_hold_one() -> None:
    assert environment_token({"WEBEX_ACCESS_TOKEN": "\ufeff t\r\n"}) == Token("t")
    assert environment_token({"WEBEX_ACCESS_TOKEN": " "}) is None
    with pytest.raises(UsageError, match="WEBEX_ACCESS_TOKEN holds no access token"):
        environment_token({"WEBEX_ACCESS_TOKEN": "a b"})


def test_a_file_open_to_others_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    assert not is_readable_by_others(file)
    file.chmod(0o640)
    assert is_readable_by_others(file)


def get(tokens: TokenSource) -> Token:
    return asyncio.run(tokens.get())


def renew(tokens: TokenSource, refused: str) -> Token:
    return asyncio.run(tokens.renew(Token(refused)))


def test_a_static_token_can_not_be_renewed() -> None:
    tokens = StaticTokens(Token("a"))
    assert get(tokens) == Token("a")
    with pytest.raises(TokenRefusedError, match="401"):
        renew(tokens, "a")


def test_a_token_file_is_read_again_when_its_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a")
    tokens = FileTokens(file)
    assert get(tokens) == Token("a")
    with pytest.raises(TokenRefusedError, match=f"put a new token into {file}"):
        renew(tokens, "a")
    file.write_text("")
    assert get(tokens) == Token("a")
    with pytest.raises(TokenRefusedError, match="is empty"):
        renew(tokens, "a")
    file.write_text("b")
    assert renew(tokens, "a") == get(tokens) == Token("b")


def command(tmp_path: Path, code: str) -> CommandTokens:
    script = tmp_path / "vault.py"
    script.write_text(code)
    return CommandTokens(f"{sys.executable} {script}")


def test_a_command_prints_the_token_and_is_run_again_when_it_is_refused(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    code = (
        f"import pathlib; p = pathlib.Path({str(counter)!r}); p.open('a').write('x'); print('t%d' % len(p.read_text()))"
    )
    tokens = command(tmp_path, code)
    assert [get(tokens), get(tokens)] == [Token("t1"), Token("t1")]
    assert renew(tokens, "t1") == get(tokens) == Token("t2")
    with pytest.raises(TokenRefusedError, match="failed with exit code 1"):
        asyncio.run(command(tmp_path, "raise SystemExit(1)").renew(Token("x")))
    with pytest.raises(TokenRefusedError, match="prints the same token again"):
        asyncio.run(command(tmp_path, "print('an-old-token')").renew(Token("an-old-token")))


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("raise SystemExit(3)", "failed with exit code 3"),
        ("print()", "holds no access token"),
        ("print('a b')", "holds no"),
        (r"import sys; sys.stdout.buffer.write(b'\xff')", "prints something other than text"),
    ],
)
def test_a_command_that_gives_no_token_is_told(tmp_path: Path, code: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=f"webex.token_command .*{complaint}"):
        get(command(tmp_path, code))


@pytest.mark.parametrize("text", ["/nowhere/vault read", "", "sh -c 'echo oops"])
def test_a_command_that_can_not_be_started_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"can't be started"):
        get(CommandTokens(text))


@pytest.mark.attack("redaction")
def test_a_token_given_for_the_name_of_its_file_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a name too long to show") as caught:
        read_token(tmp_path / ("s3cret" * 12))
    assert "s3cret" not in str(caught.value)
