"""Whoever reaches the port of a login can't use up the connections of the process."""

import asyncio

import pytest
from browsing import fetch
from signing_in import free_port

from audit.threads import in_thread
from audit.webex.redirect import Code, Redirect

_CLIENTS = 200


async def is_ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(10):
            await reader.read()
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.attack("memory")
@pytest.mark.parametrize(
    "said", [b"", b"GET /callback?state=", b"GET / HTTP/1.1\r\nX: ", b"\x16\x03\x01"], ids=["", "path", "header", "tls"]
)
def test_many_silent_clients_do_not_keep_the_browser_out(said: bytes) -> None:
    async def main() -> None:
        redirect = Redirect(port := free_port(), "of-this-login")
        async with redirect.listening():
            clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_CLIENTS)]
            for _, writer in clients:
                writer.write(said)
            page = await in_thread(fetch, f"{redirect.uri}?state=of-this-login&code=abcdefgh")
            assert page.status == 200
            assert await redirect.answer() == Code("abcdefgh")
            for reader, _ in clients[: _CLIENTS // 2]:
                assert await is_ended(reader)
        for _, writer in clients:
            writer.close()

    asyncio.run(main())
