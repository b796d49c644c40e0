import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from harness import run_virtually

from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import KINDS, parse

FORM = {"grant_type": "refresh_token", "client_id": "C", "client_secret": "S", "refresh_token": "r"}


def asked(
    faults: str, *forms: dict[str, str], read: Callable[[aiohttp.ClientResponse], Any] | None = None
) -> list[Any]:
    """Status and JSON of each answer to these forms; None for an answer that is not JSON."""

    async def ask(session: aiohttp.ClientSession, url: str, form: dict[str, str]) -> Any:
        async with session.post(f"{url}/access_token", data=form, allow_redirects=False) as response:
            if read:
                return await read(response)
            is_json = "json" in response.content_type and await response.read()
            return response.status, await response.json() if is_json else None

    async def main() -> list[Any]:
        async with serve(Simulation(faults=parse(faults))) as url, aiohttp.ClientSession() as session:
            return [await ask(session, url, form) for form in forms or [FORM]]

    return run_virtually(main())


def test_a_refresh_token_gets_an_access_token() -> None:
    ((status, grant),) = asked("")
    assert status == 200
    assert grant["refresh_token"] == "r"
    assert grant["expires_in"] == 1_209_599


@pytest.mark.parametrize("lacking", FORM)
def test_each_parameter_is_needed(lacking: str) -> None:
    ((status, body),) = asked("", {name: text for name, text in FORM.items() if name != lacking})
    assert (status, body["error"]) == (400, "invalid_request")


def test_a_refresh_token_that_rotates_is_good_once() -> None:
    async def main() -> list[int]:
        async with serve(Simulation(faults=parse("token-rotate"))) as url, aiohttp.ClientSession() as session:

            async def ask(refresh_token: str) -> tuple[int, str]:
                form = FORM | {"refresh_token": refresh_token}
                async with session.post(f"{url}/access_token", data=form) as response:
                    return response.status, (await response.json()).get("refresh_token")

            first, new = await ask("r")
            return [first, (await ask("r"))[0], (await ask(new))[0], (await ask(new))[0]]

    assert asyncio.run(main()) == [200, 400, 200, 400]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("403-html", 403), ("302", 302), ("408", 408), ("425", 425), ("499", 499), ("503-date", 503), ("429", 429),
     ("html", 200), ("empty", 200), ("502", 502), ("invalid-grant", 400), ("invalid-client", 400), ("unusable", 200)],
)  # fmt: skip
def test_its_faults_are_planned_apart_from_those_of_reads(kind: str, status: int) -> None:
    found = asked(f"token-{kind}@2,500@1", FORM, FORM, FORM)
    assert [each[0] for each in found] == [200, status, 200]


def test_they_touch_no_read() -> None:
    async def main() -> int:
        async with serve(Simulation(faults=parse("token-500=1!"))) as url, aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            async with session.get(f"{url}/people/me", headers=headers) as response:
                return response.status

    assert asyncio.run(main()) == 200


@pytest.mark.slow
def test_a_bomb_is_small_until_it_is_unpacked() -> None:
    async def read(response: aiohttp.ClientResponse) -> int:
        assert int(response.headers["Content-Length"]) < 1024 * 1024
        size = 0
        while chunk := await response.content.readany():
            size += len(chunk)
        return size

    assert asked("token-bomb=1!", read=read) == [256 * 1024 * 1024]


@pytest.mark.parametrize("kind", ["token-drip", "token-too-long"])
def test_a_body_without_end_has_none(kind: str) -> None:
    async def read(response: aiohttp.ClientResponse) -> int:
        return sum([len(await response.content.readexactly(1)) for _ in range(100)])

    assert asked(f"{kind}=1!", read=read) == [100]


@pytest.mark.parametrize("text", ["token-x=0.1", "token-duplicate", "token-token-429@1", "drip@1", "token-429=2"])
def test_what_it_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_every_kind_is_one_of_a_plan() -> None:
    for kind in (kind for kind in KINDS if kind.startswith("token-")):
        faults = parse(f"{kind}@1")
        assert (faults.of_tokens and faults.of_tokens.next("/")) == kind
