"""Which snapshot can be compared with another: it must have the same scope."""

import logging

from audit.errors import UsageError
from audit.snapshot.catalog import Snapshot, ancestors, approved_of, find_snapshot
from audit.snapshot.manifest import Manifest
from audit.snapshot.scope import are_apart, has_parquet, partners_of, scope_of
from audit.storage.place import Place

log = logging.getLogger(__name__)

_LATEST, _PREVIOUS, _APPROVED = "latest", "previous", "approved"


def find_before(snapshot: Snapshot) -> Snapshot | None:
    """The nearest earlier snapshot in the chain of the folder that has the same scope and holds Parquet.

    Raises:
        UsageError: the folder can't be opened.
    """
    return next((each for each in ancestors(snapshot) if _is_like(each, snapshot)), None)


def find_pair(output: Place, old: str | None, new: str) -> tuple[Snapshot, Snapshot]:
    """The two snapshots that are compared. `latest`, `previous` and `approved` are of the scope of the other argument.

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
    if new in (_PREVIOUS, _APPROVED) or (new == _LATEST and old not in (_LATEST, _PREVIOUS, _APPROVED)):
        before = find_snapshot(output, old)
        return before, find_beside(output, new, before)
    after = find_snapshot(output, new)
    return find_beside(output, old, after), after


def find_beside(output: Place, name: str, other: Snapshot) -> Snapshot:
    """The snapshot of this name; `latest`, `previous` and `approved` are of the same scope as the other snapshot.

    Raises:
        UsageError: there is no such snapshot.
    """
    if name == _PREVIOUS:
        if before := find_before(other):
            return before
        raise UsageError(
            f"no snapshot of the same scope before {other.manifest.snapshot_id}: run again, or name two to compare "
            "('webex-audit snapshots' lists them)"
        )
    found = approved_of(output, other.manifest) if name == _APPROVED else find_snapshot(output, name)
    if name == _LATEST and not _is_like(found, other):
        found = next((each for each in ancestors(found) if _is_like(each, other)), found)
    if found.manifest.snapshot_id == other.manifest.snapshot_id:
        # "No differences" would reassure whoever meant another snapshot.
        log.info("snapshot %s is compared with itself", found.manifest.snapshot_id)
    return found


def _is_like(snapshot: Snapshot, other: Snapshot) -> bool:
    """Whether a snapshot has the same scope as another, and holds Parquet."""
    return not scope_differences(other.manifest, snapshot.manifest) and has_parquet(snapshot.manifest)


def scope_differences(one: Manifest, other: Manifest) -> list[str]:
    """The fields of `audit.snapshot.manifest.Scope` in which two scopes differ.

    Organizations are compared by id, except if all were wanted: an organization that is gone is then a difference of
    the snapshots, unless they have none in common.
    """
    ours, theirs = scope_of(one), scope_of(other)
    if are_apart(partners_of(one), partners_of(other)):
        ours["organizations"], theirs["organizations"] = partners_of(one), partners_of(other)
    return [name for name in ours if ours[name] != theirs[name]]
