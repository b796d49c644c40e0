import asyncio
import stat
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from harness import VirtualClock, run_virtually

from audit.clock import Clock
from audit.errors import StoppedError, UsageError
from audit.simulator.app import Simulation, serve
from audit.webex.errors import TokenRefusedError, UnansweredError
from audit.webex.oauth import OAuthTokens
from audit.webex.tokens import Token


@pytest.fixture
def secrets(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "client-secret", tmp_path / "refresh-token"
    for file, text in zip(files, ("cl13nt-s3cret", "r3fresh"), strict=True):
        file.write_text(f"{text}\n")
        file.chmod(0o600)
    return files


class Clocked(VirtualClock):
    """A wall clock that tests can move forward."""

    shift = timedelta()

    def now(self) -> Any:
        return super().now() + self.shift


async def use(url: str, secrets: tuple[Path, Path], clock: Clock, work: Any) -> Any:
    async with aiohttp.ClientSession() as session:
        tokens = OAuthTokens(url, "C0ffee", *secrets, clock)
        tokens.use(session)
        return await work(tokens)


def with_simulator(secrets: tuple[Path, Path], work: Any, clock: Clock | None = None) -> tuple[Any, Simulation]:
    simulation = Simulation()

    async def main() -> Any:
        async with serve(simulation) as url:
            return await use(url, secrets, clock or VirtualClock(), work)

    return run_virtually(main()), simulation


def with_answer(secrets: tuple[Path, Path], *answers: tuple[int, str]) -> Token:
    """A token endpoint that gives these answers, one after the other, and then repeats the last one."""
    left = list(answers)

    async def answer(_: web.Request) -> web.Response:
        status, text = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, text=text)

    async def main() -> Token:
        app = web.Application()
        app.router.add_post("/v1/access_token", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            found: Token = await use(url, secrets, VirtualClock(), lambda tokens: tokens.get())
            return found
        finally:
            await runner.cleanup()

    return run_virtually(main())


def test_a_token_is_had_once_and_renewed_before_its_end(secrets: tuple[Path, Path]) -> None:
    clock = Clocked()

    async def work(tokens: OAuthTokens) -> list[Token]:
        found = [await tokens.get(), await tokens.get()]
        clock.shift = timedelta(days=13, hours=23, minutes=57)
        return [*found, await tokens.get()]

    (first, second, third), simulation = with_simulator(secrets, work, clock)
    assert first == second != third
    assert simulation.log == ["POST /v1/access_token"] * 2


def test_a_refused_token_is_renewed_once_for_all_who_were_refused(secrets: tuple[Path, Path]) -> None:
    async def work(tokens: OAuthTokens) -> list[Token]:
        refused = await tokens.get()
        return list(await asyncio.gather(*(tokens.renew(refused) for _ in range(10))))

    renewed, simulation = with_simulator(secrets, work)
    assert len(set(renewed)) == 1
    assert len(simulation.log) == 2


def test_a_renewal_that_is_not_answered_is_tried_once_for_all_who_wait(secrets: tuple[Path, Path]) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=503)

    async def main() -> list[Any]:
        app = web.Application()
        app.router.add_post("/v1/access_token", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        async def work(tokens: OAuthTokens) -> list[Any]:
            return list(await asyncio.gather(*(tokens.get() for _ in range(20)), return_exceptions=True))

        try:
            return list(await use(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", secrets, VirtualClock(), work))
        finally:
            await runner.cleanup()

    assert {type(error) for error in run_virtually(main())} == {UnansweredError}
    assert len(asked) == 5


def test_a_new_refresh_token_is_stored_back_private(secrets: tuple[Path, Path]) -> None:
    grant = '{"access_token": "a", "expires_in": 1209599, "refresh_token": "n3w", "token_type": "Bearer"}'
    assert with_answer(secrets, (200, grant)) == Token("a")
    assert secrets[1].read_text() == "n3w\n"
    assert stat.S_IMODE(secrets[1].stat().st_mode) == 0o600
    assert with_answer(secrets, (200, '{"access_token": "b"}')) == Token("b")
    assert secrets[1].read_text() == "n3w\n"


def test_trouble_of_the_endpoint_is_retried(secrets: tuple[Path, Path]) -> None:
    assert with_answer(secrets, (503, ""), (429, ""), (200, '{"access_token": "a"}')) == Token("a")
    with pytest.raises(UnansweredError, match=r"access_token does not answer \(5 tries\)"):
        with_answer(secrets, (500, ""))
    with pytest.raises(UnansweredError, match="something other than a token"):
        with_answer(secrets, (200, "<html>"))


@pytest.mark.parametrize(
    "answer",
    [
        (400, '{"error": "invalid_grant", "error_description": "The refresh token r3fresh is expired"}'),
        (401, '{"message": "cl13nt-s3cret is wrong", "trackingId": "T"}'),
        (400, "<html>"),
    ],
)
def test_a_refused_refresh_token_is_told_without_a_secret(secrets: tuple[Path, Path], answer: tuple[int, str]) -> None:
    with pytest.raises(TokenRefusedError, match=r"authorize the app again .*refresh-token") as caught:
        with_answer(secrets, answer)
    said = "".join(traceback.format_exception(caught.value))
    assert "r3fresh" not in said.replace(str(answer), "")
    assert "cl13nt-s3cret" not in said.replace(str(answer), "")


def test_what_is_missing_is_told(secrets: tuple[Path, Path]) -> None:
    secrets[0].write_text("")
    with pytest.raises(UsageError, match=r"client secret file .* is empty"):
        with_simulator(secrets, lambda tokens: tokens.get())
    secrets[0].write_text("x")
    with pytest.raises(StoppedError, match="no connection"):
        run_virtually(OAuthTokens("http://h/v1", "C", *secrets, VirtualClock()).get())


def test_a_server_that_is_not_there_is_told(secrets: tuple[Path, Path]) -> None:
    with pytest.raises(UnansweredError, match="does not answer"):
        run_virtually(use("http://127.0.0.1:9/v1", secrets, VirtualClock(), lambda tokens: tokens.get()))
