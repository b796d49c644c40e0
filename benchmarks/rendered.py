"""Serves an organization of any size, rendered from the numbers of its workspaces: nothing is kept in memory.

    python benchmarks/rendered.py WORKSPACES

It prints the base URL, and listens on loopback until its standard input ends. A workspace follows from a hash of its
number, so two runs get the same answers; each has about 13 rows of members. It answers only what a crawl asks for,
and checks nothing, to be faster than any client.
"""

import asyncio
import json
import sys
from base64 import urlsafe_b64encode
from hashlib import blake2b
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
LOCATIONS = 40
#: Rendered members, and so different people; each workspace takes some of them in a row.
POOL = 20_011
MEMBERS = 9


def webex_id(kind: str, number: int) -> str:
    """An id as the API makes them: base64 of a URI with a UUID."""
    digits = blake2b(f"{kind}{number}".encode(), digest_size=16).hexdigest()
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return urlsafe_b64encode(f"ciscospark://us/{kind}/{uuid}".encode()).decode().rstrip("=")


ORG_ID = webex_id("ORGANIZATION", 0)


def location_id(number: int) -> str:
    """The id of the location of a workspace or a person."""
    return webex_id("LOCATION", number % LOCATIONS)


def member(number: int) -> str:
    """A member of a Push-to-Talk list, as JSON: every other one has two numbers."""
    first, last = f"First{number % 977}", f"Last{number}"
    numbers = [
        {
            "external": f"+1415{2_000_000 + number * 2 + index}",
            "extension": f"{number % 10_000:04d}",
            "routingPrefix": "8",
            "esn": f"8{number % 10_000:04d}",
            "primary": index == 0,
        }
        for index in range(1 + number % 2)
    ]
    return json.dumps(
        {
            "id": webex_id("PEOPLE", number),
            "type": "PEOPLE",
            "firstName": first,
            "lastName": last,
            "displayName": f"{first} {last}",
            "email": f"{first}.{last}@example.com".lower(),
            "location": {"id": location_id(number), "name": f"Site {number % LOCATIONS:02d}"},
            "numbers": numbers,
        }
    )


class Rendered:
    """The answers.

    Args:
        workspaces: how many the organization has.
    """

    def __init__(self, workspaces: int) -> None:
        self.workspaces = workspaces
        self.base_url = ""
        pool = [member(number) for number in range(POOL)]
        self._pool = [*pool, *pool[: 2 * MEMBERS]]

    def answer(self, target: str) -> bytes:
        """The whole HTTP answer to a GET."""
        url = urlsplit(target)
        if url.path.endswith("/pushToTalk"):
            return response(self._settings(url.path))
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        match url.path.removeprefix("/v1"):
            case "/people/me":
                return response(json.dumps({"id": webex_id("PEOPLE", 0), "orgId": ORG_ID}))
            case "/workspaces":
                return self._page(int(query.get("start", 0)))
            case "/locations":
                items = [{"id": location_id(number), "name": f"Site {number:02d}"} for number in range(LOCATIONS)]
                return response(json.dumps({"items": items}))
            case _:
                return response(json.dumps({"id": ORG_ID, "displayName": "Rendered", "orgId": ORG_ID}))

    def _page(self, start: int) -> bytes:
        end = min(start + PAGE, self.workspaces)
        items = [
            {
                "id": webex_id("PLACE", number),
                "orgId": ORG_ID,
                "displayName": f"Room {number:07d}",
                "locationId": location_id(number),
                "calling": {"type": "webexCalling"},
                "type": "meetingRoom",
                "capacity": number % 20,
            }
            for number in range(start, end)
        ]
        link = f'Link: <{self.base_url}/workspaces?max={PAGE}&start={end}>; rel="next"\r\n'
        return response(json.dumps({"items": items}), link if end < self.workspaces else "")

    def _settings(self, path: str) -> str:
        # The number is not in the id; any part of the path that differs between workspaces works.
        number = int.from_bytes(blake2b(path.encode(), digest_size=4).digest(), "big")
        start = number % POOL
        members = ",".join(self._pool[start : start + MEMBERS - 2 + number % 5])
        ways = "TWO_WAY" if number % 2 else "ONE_WAY"
        access = "ALLOW_MEMBERS" if number % 3 else "BLOCK_MEMBERS"
        return (
            f'{{"allowAutoAnswer":{"true" if number % 4 else "false"},"connectionType":"{ways}",'
            f'"accessType":"{access}","members":[{members}]}}'
        )


def response(body: str, headers: str = "") -> bytes:
    """An HTTP answer with JSON."""
    encoded = body.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(encoded)}\r\n\r\n"
    return head.encode() + encoded


class Connection(asyncio.Protocol):
    """Answers the requests of one connection, in order."""

    def __init__(self, rendered: Rendered) -> None:
        self._rendered = rendered
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that has arrived whole."""
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            target = request.split(b" ", 2)[1].decode()
            self._transport.write(self._rendered.answer(target))  # type: ignore[attr-defined]


async def serve(workspaces: int) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    rendered = Rendered(workspaces)
    server = await loop.create_server(lambda: Connection(rendered), "127.0.0.1", 0, backlog=1000)
    rendered.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    print(rendered.base_url, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
