import asyncio
import errno
import fcntl
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from harness import VirtualClock, run_virtually
from token_endpoint import REFRESH, Endpoint, granted, with_endpoint

from audit.errors import UsageError
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.webex.oauth import OAuthTokens
from audit.webex.tokens import Token

Secrets = tuple[Path, Path]
NEW = granted("a", refresh_token="n3w")


async def twice(tokens: OAuthTokens) -> Token:
    return await tokens.renew(await tokens.get())


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.attack("token")
def test_a_new_refresh_token_is_stored_back_private(secrets: Secrets) -> None:
    with_endpoint(Endpoint([NEW]), secrets)
    assert secrets[1].read_text() == "n3w\n"
    assert stat.S_IMODE(secrets[1].stat().st_mode) == 0o600
    with_endpoint(Endpoint([granted("b")]), secrets)
    assert secrets[1].read_text() == "n3w\n"


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfr3fresh\r\n", b"r3fresh\r\n\r\n", "r3fresh\r\n".encode("utf-16")])
def test_secrets_are_read_as_any_editor_writes_them(secrets: Secrets, content: bytes) -> None:
    for file in secrets:
        file.write_bytes(content)
    endpoint = Endpoint([granted()])
    with_endpoint(endpoint, secrets)
    assert endpoint.forms[0]["client_secret"] == endpoint.forms[0]["refresh_token"] == "r3fresh"
    assert secrets[1].read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"r3fresh\nr3fresh\n",
        "r3fresh".encode("utf-16-le"),
        b"r3fresh\x1a",
        "r3fresh\u200b".encode(),
        b'"r3fresh"',
        b"Bearer x",
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_a_file_that_holds_more_than_the_secret_is_told_before_the_app_is_asked(
    secrets: Secrets, content: bytes, index: int
) -> None:
    secrets[index].write_bytes(content)
    endpoint = Endpoint([granted()])
    with pytest.raises(UsageError, match=f"{secrets[index].name} does not hold the secret alone") as caught:
        with_endpoint(endpoint, secrets)
    assert "r3fresh" not in str(caught.value)
    assert endpoint.forms == []


@pytest.mark.parametrize("index", [0, 1])
def test_a_secret_may_come_through_a_pipe(secrets: Secrets, index: int) -> None:
    content = secrets[index].read_bytes()
    secrets[index].unlink()
    os.mkfifo(secrets[index])
    threading.Thread(target=secrets[index].write_bytes, args=(content,), daemon=True).start()
    assert with_endpoint(Endpoint([granted()]), secrets) == Token("a")


def test_a_link_to_the_refresh_token_stays_a_link(secrets: Secrets, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = secrets[1].rename(tmp_path / "elsewhere" / "target")
    secrets[1].symlink_to("elsewhere/target")
    with_endpoint(Endpoint([NEW]), secrets)
    assert secrets[1].is_symlink()
    assert target.read_text() == "n3w\n"
    assert [*target.parent.iterdir()] == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_refresh_token_that_can_not_be_stored_is_kept_and_told(
    secrets: Secrets, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    monkeypatch.setattr(os, "replace", failing(number))
    endpoint = Endpoint([NEW, granted("b"), granted("c", refresh_token="n3wer"), granted("d")])

    async def work(tokens: OAuthTokens) -> Token:
        await twice(tokens)
        return await tokens.renew(await tokens.renew(Token("b")))

    with caplog.at_level(logging.WARNING):
        assert with_endpoint(endpoint, secrets, work) == Token("d")
    assert endpoint.used == [REFRESH, "n3w", "n3w", "n3wer"]
    assert f"can't be written to {secrets[1]} ({os.strerror(number)}): only this run has it" in caplog.text
    assert "n3w" not in caplog.text


def test_it_is_stored_as_soon_as_that_is_possible(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    folder = secrets[1].parent
    away = folder.with_name(f"{folder.name}-away")

    async def at_the_next_renewal(tokens: OAuthTokens) -> str:
        refused = await tokens.get()
        folder.rename(away)
        refused = await tokens.renew(refused)
        away.rename(folder)
        await tokens.renew(refused)
        return secrets[1].read_text()

    async def at_the_end(tokens: OAuthTokens) -> None:
        refused = await tokens.get()
        folder.rename(away)
        await tokens.renew(refused)
        away.rename(folder)

    assert with_endpoint(Endpoint([granted("a"), NEW, granted("b")]), secrets, at_the_next_renewal) == "n3w\n"
    secrets[1].write_text("r3fresh\n")
    with_endpoint(Endpoint([granted("a"), NEW]), secrets, at_the_end)
    assert secrets[1].read_text() == "n3w\n"
    assert "(No such file or directory): only this run has it" in caplog.text
    assert "lost" not in caplog.text


def test_the_last_warning_does_not_promise_another_chance(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    folder = secrets[1].parent
    away = folder.with_name(f"{folder.name}-away")

    async def work(tokens: OAuthTokens) -> None:
        refused = await tokens.get()
        folder.rename(away)
        await tokens.renew(refused)

    with_endpoint(Endpoint([granted("a"), NEW]), secrets, work)
    away.rename(folder)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "(No such file or directory): only this run has it" in warnings[-2]
    assert "(No such file or directory): it is lost now" in warnings[-1]


def test_a_token_that_somebody_puts_into_the_file_goes_before_what_is_kept(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(tokens: OAuthTokens) -> Token:
        token = await tokens.get()
        secrets[1].write_text("of-somebody\n")
        return await tokens.renew(token)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing(errno.EROFS))
        patch.setattr(os, "fsync", failing(errno.EROFS))
        endpoint = Endpoint([NEW, granted("b")])
        assert with_endpoint(endpoint, secrets, work) == Token("b")
    assert endpoint.used == [REFRESH, "of-somebody"]
    assert secrets[1].read_text() == "of-somebody\n"


def test_what_is_kept_goes_before_what_is_refused(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(tokens: OAuthTokens) -> Token:
        token = await tokens.get()
        endpoint.good = "n3w"
        secrets[1].write_text("useless\n")
        return await tokens.renew(token)

    monkeypatch.setattr(os, "replace", failing(errno.EROFS))
    monkeypatch.setattr(os, "fsync", failing(errno.EROFS))
    endpoint = Endpoint([NEW, granted("b")])
    assert with_endpoint(endpoint, secrets, work) == Token("b")
    assert endpoint.used == [REFRESH, "useless", "n3w"]


def test_no_two_processes_use_the_same_refresh_token(secrets: Secrets) -> None:
    async def rotate(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        number = len(endpoint.forms)
        if number in troubled:
            return web.Response(status=503)
        return web.json_response({"access_token": f"t{number}", "refresh_token": f"r{number}"})

    async def main() -> list[Token]:
        async with endpoint.serve() as url, aiohttp.ClientSession() as session:
            # Virtual time may pass quickly while a thread works; the wait for the lock is bounded by this time.
            processes = [OAuthTokens(url, "C0ffee", *secrets, VirtualClock(), timeout_s=1e6) for _ in range(6)]
            for each in processes:
                each.use(session)
            return list(await asyncio.gather(*map(twice, processes)))

    # Fewer than the tries of a request, in whatever order the processes come.
    troubled = {2, 5, 9}
    endpoint = Endpoint([rotate])
    assert len(set(run_virtually(main()))) == 6
    granted_for = [form for number, form in enumerate(endpoint.used, 1) if number not in troubled]
    assert len(granted_for) == len(set(granted_for)) == 12


@pytest.mark.parametrize("held_s", [0.5, 20, 1000])
def test_the_wait_for_another_process_is_bounded(
    secrets: Secrets, held_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(tokens: OAuthTokens) -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        with secrets[1].open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            loop.call_later(held_s, fcntl.flock, other, fcntl.LOCK_UN)
            assert await tokens.get() == Token("a")
        return loop.time() - began_s

    waited_s = with_endpoint(Endpoint([granted()]), secrets, work)
    assert waited_s == pytest.approx(min(held_s, 60), abs=5)
    assert ("going on without the lock" in caplog.text) == (held_s > 60)


def test_a_lock_on_a_file_that_was_replaced_is_no_lock(secrets: Secrets) -> None:
    def replace() -> None:
        secrets[1].unlink()
        secrets[1].write_text("of-another-process\n")
        fcntl.flock(other, fcntl.LOCK_UN)

    async def work(tokens: OAuthTokens) -> None:
        fcntl.flock(other, fcntl.LOCK_EX)
        asyncio.get_running_loop().call_later(1, replace)
        await tokens.get()

    endpoint = Endpoint([granted()])
    with secrets[1].open() as other:
        with_endpoint(endpoint, secrets, work)
    assert endpoint.used == ["of-another-process"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_no_reason_to_stop(
    secrets: Secrets, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(number))
    assert with_endpoint(Endpoint([NEW]), secrets) == Token("a")
    assert secrets[1].read_text() == "n3w\n"


def mounts(script: str) -> list[str]:
    """The command that runs a program after mounts that nothing else sees."""
    return ["unshare", "--mount", "sh", "-ec", f'{script}\nexec "$@"', "sh"]


def can_mount() -> bool:
    try:
        tried = subprocess.run([*mounts("mount --bind /tmp /tmp"), "true"], capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


READ_ONLY = "can't be written (Read-only file system)"
FULL = """mount -t tmpfs -o size=16k none {0}/full
cp {0}/refresh-token {0}/full
head -c 20k /dev/zero > {0}/full/filler || true"""


@pytest.mark.few(2)
@pytest.mark.skipif(not can_mount(), reason="this user may not mount")
@pytest.mark.parametrize(
    ("script", "path", "warning", "stored"),
    [
        ("mount --bind {0} {0}; mount -o remount,ro,bind {0}", "refresh-token", READ_ONLY, "r3fresh"),
        ("mount --bind {0}/copy {0}/refresh-token", "refresh-token", "", "simulated-refresh-token-"),
        (
            "mount --bind {0}/copy {0}/refresh-token; mount -o remount,ro,bind {0}/refresh-token",
            *("refresh-token", READ_ONLY, "r3fresh"),
        ),
        (FULL, "full/refresh-token", "", "simulated-refresh-token-"),
    ],
    ids=["a read-only Secret", "a mount of the file", "a read-only mount of the file", "a full disk"],
)
@pytest.mark.slow
def test_a_run_survives_every_mount(
    script: str, path: str, warning: str, stored: str, secrets: Secrets, api: Callable[[Simulation], str]
) -> None:
    folder = secrets[1].parent
    (folder / "copy").write_text("r3fresh\n")
    (folder / "full").mkdir()
    url = api(Simulation(Organization(5), parse("token-rotate")))
    variables = {
        "WEBEX_AUDIT_WEBEX_CLIENT_ID": "C0ffee",
        "WEBEX_AUDIT_WEBEX_CLIENT_SECRET_FILE": str(secrets[0]),
        "WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE": str(folder / path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    output = folder.with_name(f"{folder.name}-out")
    program = f"{sys.executable} -m audit run --base-url {url} --output {output}; cat {folder / path}"
    done = subprocess.run(
        [*mounts(script.format(folder)), "sh", "-c", program],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "complete" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(stored)
    assert (f"{folder / path} {warning}" in done.stderr) if warning else ("can't be written" not in done.stderr)
    assert "simulated-refresh-token" not in done.stderr
