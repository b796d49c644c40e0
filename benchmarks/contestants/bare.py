"""The floor: an aiohttp loop that GETs and reads every answer, and does nothing else.

python benchmarks/contestants/bare.py BASE_URL IDS_FILE [asyncio|uvloop]
"""

import asyncio
import sys
from pathlib import Path

import aiohttp

CONCURRENCY = 50


async def main(base_url: str, ids: list[str]) -> None:
    """Read the settings of every workspace."""
    left = iter(ids)

    async def worker(session: aiohttp.ClientSession) -> None:
        for workspace_id in left:
            url = f"{base_url}/telephony/config/workspaces/{workspace_id}/pushToTalk"
            async with session.get(url, headers={"Authorization": "Bearer x"}) as response:
                await response.read()

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CONCURRENCY):
            group.create_task(worker(session))


if __name__ == "__main__":
    given_url, ids_file, loop = sys.argv[1:]
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    workspaces = Path(ids_file).read_text().split()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main(given_url, workspaces))
