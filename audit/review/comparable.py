"""Which snapshot can be compared with another: it must have the same scope."""

from typing import Any

import msgspec

from audit.snapshot.catalog import Snapshot, ancestors
from audit.snapshot.manifest import Manifest


def find_before(snapshot: Snapshot) -> Snapshot | None:
    """The nearest earlier snapshot in the chain of the folder that has the same scope and holds Parquet.

    Raises:
        UsageError: the folder can't be opened.
    """
    for each in ancestors(snapshot):
        if not scope_differences(snapshot.manifest, each.manifest) and _has_parquet(each.manifest):
            return each
    return None


def scope_differences(one: Manifest, other: Manifest) -> list[str]:
    """The fields of `audit.snapshot.manifest.Scope` in which two scopes differ.

    Organizations are compared by id, except if all were wanted: an organization that is gone is then a difference.
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
