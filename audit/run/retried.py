"""The scope of a run that repeats what a snapshot has no answer to (`--retry-failed`)."""

from collections.abc import Collection

from audit import config
from audit.config import Settings
from audit.entity import EntityType
from audit.errors import UsageError
from audit.inventory import Users
from audit.inventory.organizations import check_org_ids
from audit.run.choice import dataset_of
from audit.run.scope import RunScope, scope_of
from audit.snapshot.source import Source
from audit.webex import ids


def retried_scope(snapshot: Source) -> RunScope:
    """The scope of a snapshot, to ask again for the entities without a complete answer.

    Raises:
        UsageError: this version does not know a dataset or a kind of entity of the snapshot.
    """
    earlier, orgs = snapshot.manifest.scope, snapshot.manifest.orgs
    return RunScope(
        tuple(dataset_of(name) for name in earlier.datasets),
        tuple(map(_kind, earlier.entities)),
        earlier.organizations,
        () if earlier.organizations == "own" else tuple(check_org_ids(org.webex_id or org.org_id for org in orgs)),
        users=Users(earlier.users or "self"),
        sites=tuple(earlier.sites),
        retry_failed=snapshot,
    )


def _kind(name: str) -> EntityType:
    try:
        return EntityType(name)
    except ValueError:
        raise UsageError(f"unknown kind of entity {name!r}; expected one of {', '.join(EntityType)}") from None


def check_flags(snapshot: Source, settings: Settings, flags: Collection[str]) -> None:
    """Refuse flags that differ from the scope of the snapshot to retry, which counts alone.

    Args:
        snapshot: the snapshot.
        settings: the configuration, with the flags.
        flags: the keys that flags have set.

    Raises:
        UsageError: a flag differs, or the scope contradicts itself.
    """
    if not any(key.startswith("scope.") for key in flags):
        return
    others = _differences(snapshot, scope_of(settings))
    if key := next((key for key in flags if others.get(key)), None):
        raise UsageError(
            f"--{config.FLAGS[key]} differs from the scope of snapshot {snapshot.manifest.snapshot_id}, which "
            "--retry-failed keeps: leave it out, or run without --retry-failed"
        )


def _differences(snapshot: Source, scope: RunScope) -> dict[str, bool]:
    """By key of the configuration, whether a scope differs there from the scope of a snapshot."""
    earlier, asked = snapshot.manifest.scope, scope.for_manifest()
    named = {ids.uuid_of(each) or each for each in scope.org_ids}
    is_organization_other = asked.organizations != earlier.organizations
    return {
        "scope.datasets": {*asked.datasets} != {*earlier.datasets},
        "scope.entities": {*asked.entities} != {*earlier.entities},
        "scope.org_ids": is_organization_other or named != {org.org_id for org in snapshot.manifest.orgs},
        "scope.all_orgs": is_organization_other,
        "scope.exclude_orgs": {*asked.excluded} != {*earlier.excluded},
        "scope.all_users": asked.users != earlier.users,
        "scope.sites": {*asked.sites} != {*earlier.sites},
    }
