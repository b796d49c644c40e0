"""wxc-sdk's asyncio client, its objects as rows, pyarrow for Parquet: the usual way with the usual SDK.

python benchmarks/contestants/with_wxc_sdk.py BASE_URL OUTPUT
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from wxc_sdk.as_api import AsWebexSimpleApi
from wxc_sdk.as_rest import AsRestSession
from wxc_sdk.tokens import Tokens

CONCURRENCY = 40  # as in its examples


def rows_of(workspace: Any, settings: Any) -> list[dict[str, Any]]:
    """One row for each number of each member of a workspace."""
    of_workspace = {"workspace_id": workspace.workspace_id, "workspace_name": workspace.display_name}
    content = settings.model_dump(mode="json")
    members = content.pop("members") or [{}]
    return [
        of_workspace
        | content
        | {f"member_{name}": value for name, value in member.items() if name != "numbers"}
        | number
        for member in members
        for number in member.get("numbers") or [{}]
    ]


async def main(base_url: str, output: Path) -> None:
    """Read all workspaces and write one table."""
    AsRestSession.BASE = base_url
    rows: list[dict[str, Any]] = []
    tokens = Tokens(access_token="bench-token-bench-token")  # noqa: S106
    async with AsWebexSimpleApi(tokens=tokens, concurrent_requests=CONCURRENCY) as api:
        left = iter(await api.workspaces.list())

        async def worker() -> None:
            for workspace in left:
                settings = await api.workspace_settings.push_to_talk.read(workspace.workspace_id)
                rows.extend(rows_of(workspace, settings))

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(worker())
    pq.write_table(pa.Table.from_pylist(rows), output / "members.parquet", compression="zstd")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
