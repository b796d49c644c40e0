"""The column `org_name`, directly after `org_id` in CSV and in the review: a reader knows names, not UUIDs.

No Parquet file has it: the manifest holds the name of each organization once (`orgs`).
"""

from collections.abc import Iterable
from typing import Protocol

import pyarrow as pa

from audit.columns import column
from audit.untrusted.bounds import NAME_CHARS

_AFTER = "org_id"

ORG_NAME = column(
    "org_name",
    pa.string(),
    "display name of the organization: in CSV and in `query`; Parquet leaves it to `orgs` of the manifest",
    "the token may not read it",
)


class _Named(Protocol):
    @property
    def org_id(self) -> str: ...
    @property
    def name(self) -> str | None: ...


def org_names(orgs: Iterable[_Named]) -> dict[str, str | None]:
    """The name of each organization by its UUID, as every row repeats it.

    A manifest is data that anybody may have written, so a name that no run would write is cut.
    """
    return {org.org_id: org.name and org.name[:NAME_CHARS] for org in orgs}


def with_org_name(schema: pa.Schema) -> pa.Schema:
    """The columns of a table with `org_name`."""
    return schema.insert(schema.get_field_index(_AFTER) + 1, ORG_NAME)


def named(rows: pa.Table, name: str | None) -> pa.Table:
    """Rows of one organization, with its name."""
    names = pa.repeat(pa.scalar(name, pa.string()), rows.num_rows)
    return rows.add_column(rows.schema.get_field_index(_AFTER) + 1, ORG_NAME, names)
