"""Which scopes the token of a run needs, and for what."""

from audit.datasets import Dataset
from audit.datasets.dataset import ByUser
from audit.inventory import events
from audit.inventory.entities import LISTINGS
from audit.run.kinds import title_of
from audit.run.scope import RunScope
from audit.text import plural_of


def needs_of(scope: RunScope, *, has_events: bool = False) -> dict[str, list[str]]:
    """The scopes that the token needs, sorted, each with what needs it.

    Args:
        scope: what is to be audited.
        has_events: the run also reads the administrators' log.
    """
    needs: dict[str, dict[str, None]] = {}

    def note(name: str, use: str) -> None:
        needs.setdefault(name, {})[use] = None

    if scope.organizations == "all":
        note("spark-admin:organizations_read", "list organizations")
    for dataset in scope.datasets:
        if dataset.by_user:
            for name, use in _of_users(scope, dataset, dataset.by_user):
                note(name, use)
            continue
        for kind in scope.kinds_of(dataset):
            note(LISTINGS[kind].scope, f"list {plural_of(kind)}")
            note(dataset.scopes[kind], f"read {title_of(dataset)} of {plural_of(kind)}")
    if has_events:
        note(events.SCOPE, "read the administrators' log")
    is_own = scope.is_by_user or scope.organizations == "own"
    # A workspace names the organization, too.
    if is_own and not needs.keys() & {"spark:people_read", "spark-admin:workspaces_read"}:
        note("spark:people_read", "find the token's own organization")
    return {name: [*uses] for name, uses in sorted(needs.items())}


def _of_users(scope: RunScope, dataset: Dataset, by_user: ByUser) -> list[tuple[str, str]]:
    title = title_of(dataset)
    if scope.users.which == "self":
        use = f"read {title} of the token's own user"
        return [(by_user.own_scope, use), ("spark:people_read", "know the token's own user")]
    needs = [(name, f"read {title} of {plural_of(kind)}") for kind, name in dataset.scopes.items()]
    return [*needs, *([("spark-admin:people_read", "list people")] if scope.users.which == "all" else [])]
