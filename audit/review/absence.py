"""Why an entity may be absent from a snapshot: what its run was not asked for, or not answered about.

What is absent without such a reason was not there: the listing is an answer too. A token that sees fewer
locations than another's lists fewer entities, and no manifest tells that: compare runs of one role.
"""

from collections.abc import Collection, Iterator

from audit.datasets import DATASETS
from audit.snapshot.manifest import Manifest, Org


def reason_of_absence(
    manifest: Manifest, org_id: str, dataset: str, kind: str, listed: Collection[tuple[str, str]]
) -> str | None:
    """Why entities of a kind may be absent though they exist; None where their absence is a fact.

    Args:
        manifest: of the snapshot that lacks them.
        org_id: UUID of their organization.
        dataset: what is asked of them.
        kind: `WORKSPACE`, `PERSON` or `VIRTUAL_LINE`.
        listed: each dataset and kind that the snapshot has entities of.
    """
    scope = manifest.scope
    org = next((each for each in manifest.orgs if each.org_id == org_id), None)
    if dataset not in scope.datasets:
        return f"{dataset} was not asked for"
    if org is None:
        return "the organization was not audited"
    if gap := _gaps_of(manifest, org).get((dataset, kind)):
        return gap
    if _is_by_user(dataset):
        return None if scope.users == "all" else "only some users were asked for"
    if kind not in scope.entities or _is_of_users_alone(manifest, kind, (dataset, kind) in listed):
        return f"{kind} was not asked for"
    return "only some ids were asked for" if scope.entity_ids is not None else None


def gaps(manifest: Manifest) -> Iterator[tuple[str, str, str, str]]:
    """Organization, dataset, kind and reason of all that could not be listed as a whole."""
    for org in manifest.orgs:
        for (dataset, kind), reason in _gaps_of(manifest, org).items():
            yield org.org_id, dataset, kind, reason


def _gaps_of(manifest: Manifest, org: Org) -> dict[tuple[str, str], str]:
    if not org.is_audited:
        reason = f"the organization is {org.status}" + (f" ({org.message})" if org.message else "")
        return {
            (dataset, kind): reason
            for dataset in manifest.scope.datasets
            for kind in manifest.scope.entities
            if dataset not in DATASETS or kind in DATASETS[dataset].scopes
        }
    return {
        (dataset, kind): f"{kind} could not be listed ({reason})"
        for dataset, kinds in org.unlisted.items()
        for kind, reason in kinds.items()
    }


def _is_by_user(dataset: str) -> bool:
    return dataset in DATASETS and DATASETS[dataset].by_user is not None


def _is_of_users_alone(manifest: Manifest, kind: str, is_listed: bool) -> bool:  # noqa: FBT001
    """Whether a kind may stand in the scope only for a dataset by user, as the scope is of all datasets together."""
    by_user = {kind for name in manifest.scope.datasets if _is_by_user(name) for kind in DATASETS[name].scopes}
    return kind in by_user and not is_listed
