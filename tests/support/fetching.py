"""Requests to a simulation over real HTTP."""

import asyncio
import json
from typing import Any

import aiohttp

from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.organization import Organization


def fetch(simulation: Simulation, *paths: str, token: str = ADMIN_TOKEN) -> list[tuple[int, Any, Any]]:
    """The status, decoded body and headers of each path."""

    async def main() -> list[tuple[int, Any, Any]]:
        found = []
        async with (
            serve(simulation) as url,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        ):
            for path in paths:
                async with session.get(f"{url}{path}") as response:
                    found.append((response.status, json.loads(await response.text() or "null"), response.headers))
        return found

    return asyncio.run(main())


def statuses(simulation: Simulation, *paths: str, token: str = ADMIN_TOKEN) -> list[int]:
    """The status of each path."""
    return [status for status, _, _ in fetch(simulation, *paths, token=token)]


def pages(simulation: Simulation, path: str, most: int = 50) -> list[Any]:
    """The bodies of the pages of a listing, following its next links."""

    async def main() -> list[Any]:
        found: list[Any] = []
        async with (
            serve(simulation) as url,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as session,
        ):
            following: Any = f"{url}{path}"
            while following and len(found) < most:
                async with session.get(following) as response:
                    assert response.status == 200, following
                    found.append(json.loads(await response.text() or "null"))
                    following = response.links.get("next", {}).get("url")
        return found

    return asyncio.run(main())


def push_to_talk(organization: Organization, index: int) -> str:
    """The path of a workspace's settings."""
    return f"/telephony/config/workspaces/{organization.workspace(index)['id']}/pushToTalk"


def person_push_to_talk(organization: Organization, index: int) -> str:
    """The path of a person's settings."""
    return f"/people/{organization.person(index)['id']}/features/pushToTalk"


def virtual_line_push_to_talk(organization: Organization, index: int) -> str:
    """The path of a virtual line's settings."""
    return f"/telephony/config/virtualLines/{organization.virtual_line(index)['id']}/pushToTalk"
