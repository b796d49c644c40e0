"""Warns of listings that are empty: an audit of nothing looks like an audit without findings."""

from collections.abc import Collection, Iterable, Iterator

from audit.entity import EntityType
from audit.output.org_parts import OrgParts
from audit.run.scope import RunScope
from audit.text import count_of, plural_of

#: Most organizations that a line names.
_NAMED = 3


def empty_listings(scope: RunScope, orgs: Iterable[OrgParts]) -> Iterator[str]:
    """What a run has found none of, in words: a line for each kind of entity.

    Args:
        scope: what the run audits.
        orgs: what it has read.
    """
    if scope.wanted is not None:
        return
    missing: dict[EntityType, list[str]] = {}
    audited = [org for org in orgs if org.inventories]
    for org in audited:
        for kind in _missing(scope, org):
            missing.setdefault(kind, []).append(org.name or org.org_id)
    for kind, names in missing.items():
        yield sentence(kind, names, is_all=len(names) == len(audited))


def sentence(kind: EntityType, names: Collection[str], *, is_all: bool = False) -> str:
    """What may be wrong where a listing is empty.

    Args:
        kind: the kind of entity of which there is none.
        names: the organizations that have none.
        is_all: no organization has any.
    """
    if len(names) > _NAMED:
        where = f"in {'any of ' if is_all else ''}{count_of(len(names), 'organization')}"
    else:
        where = f"in {', '.join(names)}"
    return (
        f"no {plural_of(kind)} {where}: if there are any, the token may be of another organization, or of an "
        "administrator who sees only some locations ('webex-audit doctor' shows what it sees)"
    )


def _missing(scope: RunScope, org: OrgParts) -> list[EntityType]:
    """The kinds of entity whose listings could be read and are empty."""
    # Users who are named, or the token's own, are not listed.
    listed = [each for each in scope.datasets if not each.by_user or scope.users.which == "all"]
    listed = [each for each in listed if each.name in org.inventories]
    inventories = [org.inventories[each.name] for each in listed]
    wanted = [kind for dataset in listed for kind in scope.kinds_of(dataset)]
    # What was not listed, or not named, has a fault of its own.
    seen = {kind for each in inventories for kind in (*each.gaps.unlisted, *each.gaps.invalid_items)}
    for inventory in inventories:
        for _, rows in inventory.batches():
            seen |= set(rows["entity_type"].unique().to_pylist())
            if seen.issuperset(wanted):
                return []
    return [kind for kind in dict.fromkeys(wanted) if kind not in seen]
