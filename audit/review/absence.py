"""Why an entity may be absent from a snapshot: its run was not asked for it, or got no answer.

An entity that is absent for no such reason did not exist: the listing is an answer too. A token that sees fewer
locations lists fewer entities, which no manifest shows: compare runs of the same role.
"""

from collections.abc import Collection, Iterator

from audit.datasets import DATASETS
from audit.snapshot.manifest import Manifest
from audit.snapshot.org import Org
from audit.text import plural_of, without_id


def reason_of_absence(
    manifest: Manifest, org_id: str, dataset: str, kind: str, listed: Collection[tuple[str, str]]
) -> str | None:
    """Why entities of a kind may be absent although they exist; None if their absence is a fact.

    Args:
        manifest: manifest of the snapshot that lacks them.
        org_id: UUID of their organization.
        dataset: the dataset in question.
        kind: `WORKSPACE`, `PERSON` or `VIRTUAL_LINE`.
        listed: each dataset and kind of which the snapshot has entities.
    """
    scope = manifest.scope
    org = next((each for each in manifest.orgs if each.org_id == org_id), None)
    if dataset not in scope.datasets:
        return f"{dataset} was not asked for"
    if org is None:
        is_short = bool(manifest.invalid_organizations)
        return "the organizations could not be listed in full" if is_short else "the organization was not audited"
    if gap := _gaps_of(manifest, org).get((dataset, kind)):
        return gap
    if _is_by_user(dataset):
        return None if scope.users == "all" else "only some users were asked for"
    if kind not in scope.entities or _is_of_users_alone(manifest, kind, (dataset, kind) in listed):
        return f"{plural_of(kind)} were not asked for"
    return "only some ids were asked for" if scope.entity_ids is not None else None


def gaps(manifest: Manifest) -> Iterator[tuple[str, str, str, str]]:
    """Organization, dataset, kind and reason of every listing that is not complete."""
    for org in manifest.orgs:
        for (dataset, kind), reason in _gaps_of(manifest, org).items():
            yield org.org_id, dataset, kind, reason


def _gaps_of(manifest: Manifest, org: Org) -> dict[tuple[str, str], str]:
    if not org.is_audited:
        reason = f"the organization is {org.status}" + (f" ({org.message})" if org.message else "")
        return {
            (dataset, kind): reason
            for dataset in manifest.scope.datasets
            for kind in (DATASETS[dataset].scopes if _is_by_user(dataset) else manifest.scope.entities)
            if dataset not in DATASETS or kind in DATASETS[dataset].scopes
        }
    invalid = {
        (dataset, kind): f"{plural_of(kind)} could not be listed in full: {without_id(items, kind)}"
        for dataset, kinds in org.invalid_items.items()
        for kind, items in kinds.items()
    }
    return invalid | {
        (dataset, kind): f"{plural_of(kind)} could not be listed ({reason})"
        for dataset, kinds in org.unlisted.items()
        for kind, reason in kinds.items()
    }


def _is_by_user(dataset: str) -> bool:
    return dataset in DATASETS and DATASETS[dataset].by_user is not None


def _is_of_users_alone(manifest: Manifest, kind: str, is_listed: bool) -> bool:  # noqa: FBT001
    """Whether a kind may be in the scope for datasets by user only: one scope covers all datasets."""
    by_user = {kind for name in manifest.scope.datasets if _is_by_user(name) for kind in DATASETS[name].scopes}
    return kind in by_user and not is_listed
