"""Which snapshot another one can be compared with: one of the same scope."""

from typing import Any

import msgspec

from audit.snapshot.catalog import Snapshot, ancestors
from audit.snapshot.manifest import Manifest


def find_before(snapshot: Snapshot) -> Snapshot | None:
    """The nearest snapshot before one, by the chain of its folder, that is of the same scope and holds Parquet.

    Raises:
        UsageError: the folder may not be looked into.
    """
    for each in ancestors(snapshot):
        if not scope_differences(snapshot.manifest, each.manifest) and _has_parquet(each.manifest):
            return each
    return None


def scope_differences(one: Manifest, other: Manifest) -> list[str]:
    """In what two scopes differ: names of fields of `audit.snapshot.manifest.Scope`.

    Organizations are compared by id, but not where all were wanted: one that is no longer there is news.
    """
    ours, theirs = _scope(one), _scope(other)
    return [name for name in ours if ours[name] != theirs[name]]


def _scope(manifest: Manifest) -> dict[str, Any]:
    fields = msgspec.to_builtins(manifest.scope)
    scope = {name: set(value) if isinstance(value, list) else value for name, value in fields.items()}
    if manifest.scope.organizations != "all":
        scope["organizations"] = {org.org_id for org in manifest.orgs}
    return scope


def _has_parquet(manifest: Manifest) -> bool:
    return all(
        any(file.path.endswith(".parquet") for file in table.files) for table in manifest.tables.values() if table.rows
    )
