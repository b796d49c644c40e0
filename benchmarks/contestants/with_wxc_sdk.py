"""wxc-sdk's asyncio client, the attributes of its objects as columns, pyarrow for Parquet: the usual SDK, used well.

python benchmarks/contestants/with_wxc_sdk.py BASE_URL OUTPUT
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from wxc_sdk.as_api import AsWebexSimpleApi
from wxc_sdk.as_rest import AsRestSession
from wxc_sdk.common import IdAndName, UserNumber
from wxc_sdk.tokens import Tokens

CONCURRENCY = 40  # as in its examples
#: Rows that wait to become columns: tuples of a whole organization would take hundreds of megabytes.
BATCH = 10_000
#: What webex-audit writes as well, as far as the SDK gives it.
WORKSPACE = {
    **dict.fromkeys(("workspace_id", "workspace_name"), pa.string()),
    "allow_auto_answer": pa.bool_(),
    "connection_type": pa.string(),
    "access_type": pa.string(),
}
MEMBER = {
    **WORKSPACE,
    "member_position": pa.int32(),
    **dict.fromkeys(("member_id", "member_type", "member_first_name", "member_last_name"), pa.string()),
    **dict.fromkeys(("member_display_name", "member_email"), pa.string()),
    **dict.fromkeys(("member_location_id", "member_location_name"), pa.string()),
    "number_position": pa.int32(),
    **dict.fromkeys(("number_external", "number_extension", "number_routing_prefix", "number_esn"), pa.string()),
    "number_primary": pa.bool_(),
}
NO_NUMBER = UserNumber()


class Rows:
    """Rows of a table, which become columns a batch at a time."""

    def __init__(self, columns: dict[str, pa.DataType]) -> None:
        self._schema = pa.schema(columns)
        self._rows: list[tuple[Any, ...]] = []
        self._tables: list[pa.Table] = [self._schema.empty_table()]

    def extend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows."""
        self._rows.extend(rows)
        if len(self._rows) >= BATCH:
            self._end_batch()

    def write(self, path: Path) -> None:
        """Write all rows."""
        if self._rows:
            self._end_batch()
        pq.write_table(pa.concat_tables(self._tables), path, compression="zstd")

    def _end_batch(self) -> None:
        columns = zip(zip(*self._rows, strict=True), self._schema.types, strict=True)
        self._tables.append(pa.table([pa.array(values, kind) for values, kind in columns], schema=self._schema))
        self._rows.clear()


def member_rows(of_workspace: tuple[Any, ...], members: list[Any]) -> Iterator[tuple[Any, ...]]:
    """One row for each number of each member of a workspace."""
    for place, member in enumerate(members):
        location = member.location
        is_named = isinstance(location, IdAndName)
        of_member = (
            *(place, member.member_id, member.member_type, member.first_name, member.last_name, member.display_name),
            *(member.email, location.id if is_named else None, location.name if is_named else location),
        )
        for index, number in enumerate(member.numbers or [NO_NUMBER]):
            of_number = (number.external, number.extension, number.routing_prefix, number.esn, number.primary)
            yield (*of_workspace, *of_member, index if member.numbers else None, *of_number)


async def main(base_url: str, output: Path) -> None:
    """Read all workspaces and write two tables."""
    AsRestSession.BASE = base_url
    workspaces, members = Rows(WORKSPACE), Rows(MEMBER)
    tokens = Tokens(access_token="bench-token-bench-token")  # noqa: S106
    async with AsWebexSimpleApi(tokens=tokens, concurrent_requests=CONCURRENCY) as api:
        left = iter(await api.workspaces.list())

        async def worker() -> None:
            for workspace in left:
                got = await api.workspace_settings.push_to_talk.read(workspace.workspace_id)
                settings = (got.allow_auto_answer, got.connection_type, got.access_type)
                of_workspace = (workspace.workspace_id, workspace.display_name, *settings)
                workspaces.extend([of_workspace])
                members.extend(member_rows(of_workspace, got.members or []))

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(worker())
    workspaces.write(output / "workspaces.parquet")
    members.write(output / "members.parquet")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
