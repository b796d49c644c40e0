"""Which kinds of entity a run reads: the kinds of `--entity`, else the only kind of its datasets, else workspaces."""

from collections.abc import Collection, Iterable
from typing import get_args

from audit.config import EntityName
from audit.datasets import Dataset
from audit.entity import EntityType
from audit.errors import UsageError

#: The kinds that `--entity` chooses among. A dataset of another kind, such as paging groups, is read of all of them.
CHOOSABLE = frozenset(EntityType(name.replace("-", "_").upper()) for name in get_args(EntityName))


def title_of(name: Dataset | EntityType) -> str:
    """The name of a dataset or of a kind of entity on the command line."""
    return (name.name if isinstance(name, Dataset) else name).lower().replace("_", "-")


def kinds_of(datasets: Iterable[Dataset], chosen: Iterable[str]) -> tuple[EntityType, ...]:
    """The kinds of entity of a run.

    Args:
        datasets: the datasets of the run; those that are addressed by user have users of their own.
        chosen: the kinds that the user has named, as on the command line; empty for the default.
    """
    if kinds := [EntityType(name.replace("-", "_").upper()) for name in dict.fromkeys(chosen)]:
        return tuple(kinds)
    possible = {kind for dataset in datasets if not dataset.by_user for kind in dataset.scopes}
    possible &= CHOOSABLE
    return tuple(possible) if len(possible) == 1 else (EntityType.WORKSPACE,)


def check_kinds(datasets: Collection[Dataset], kinds: Collection[EntityType], *, is_chosen: bool) -> None:
    """Refuse kinds of entity that leave a dataset without entities, and kinds that no dataset has.

    Args:
        datasets: the datasets of the run.
        kinds: the kinds of entity of the run.
        is_chosen: the user has named the kinds. The default does not concern datasets that are addressed by user.

    Raises:
        UsageError: a dataset has none of the kinds, or a kind is of no dataset.
    """
    for dataset in datasets:
        has_choice = not dataset.by_user and CHOOSABLE & dataset.scopes.keys()
        if has_choice and not set(kinds) & set(dataset.scopes):
            verb = "add" if len(datasets) > 1 else "use"
            raise UsageError(
                f"{title_of(dataset)} exists for {_listed(dataset.scopes)}, not for {_listed(kinds)}: {verb} "
                f"{_listed(dataset.scopes, '--entity ')}"
            )
    known = list(dict.fromkeys(kind for dataset in datasets for kind in dataset.scopes))
    idle = [kind for kind in kinds if kind not in known]
    if is_chosen and idle:
        asked = "; ".join(f"{title_of(dataset)} exists for {_listed(dataset.scopes)}" for dataset in datasets)
        useful = [kind for kind in kinds if kind in known] or known
        useful = [kind for kind in useful if kind in CHOOSABLE]
        advice = f"use {_listed(useful, '--entity ')}" if useful else "leave out --entity"
        raise UsageError(f"--entity {title_of(idle[0])} (scope.entities) selects nothing: {asked}: {advice}")


def _listed(kinds: Iterable[EntityType], prefix: str = "") -> str:
    return " or ".join(f"{prefix}{title_of(kind)}" for kind in kinds)
