"""Which snapshot can be compared with another: it must have the same scope."""

from typing import Any

import msgspec

from audit.errors import UsageError
from audit.snapshot.catalog import Snapshot, ancestors, find_snapshot
from audit.snapshot.manifest import Manifest
from audit.storage.place import Place

_LATEST, _PREVIOUS = "latest", "previous"


def find_before(snapshot: Snapshot) -> Snapshot | None:
    """The nearest earlier snapshot in the chain of the folder that has the same scope and holds Parquet.

    Raises:
        UsageError: the folder can't be opened.
    """
    return next((each for each in ancestors(snapshot) if _is_like(each, snapshot)), None)


def find_pair(output: Place, old: str | None, new: str) -> tuple[Snapshot, Snapshot]:
    """The two snapshots that are compared. `latest` and `previous` are of the same scope as the other argument.

    Args:
        output: the folder of all snapshots.
        old: names the earlier snapshot; None for `previous`.
        new: names the later snapshot.

    Raises:
        UsageError: there is no such snapshot, or both are `previous`.
    """
    old = old or _PREVIOUS
    if old == new == _PREVIOUS:
        raise UsageError("'previous' is the snapshot before the other argument: name one of the two otherwise")
    if new == _PREVIOUS or (new == _LATEST and old not in (_LATEST, _PREVIOUS)):
        before = find_snapshot(output, old)
        return before, find_beside(output, new, before)
    after = find_snapshot(output, new)
    return find_beside(output, old, after), after


def find_beside(output: Place, name: str, other: Snapshot) -> Snapshot:
    """The snapshot of this name; `latest` and `previous` are of the same scope as the other snapshot.

    Raises:
        UsageError: there is no such snapshot.
    """
    if name == _PREVIOUS:
        if before := find_before(other):
            return before
        raise UsageError(
            f"no snapshot of the same scope before {other.manifest.snapshot_id}: name the one to compare with "
            "('webex-audit snapshots' lists them)"
        )
    found = find_snapshot(output, name)
    if name != _LATEST or _is_like(found, other):
        return found
    return next((each for each in ancestors(found) if _is_like(each, other)), found)


def _is_like(snapshot: Snapshot, other: Snapshot) -> bool:
    """Whether a snapshot has the same scope as another, and holds Parquet."""
    return not scope_differences(other.manifest, snapshot.manifest) and _has_parquet(snapshot.manifest)


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
