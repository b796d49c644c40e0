"""Which datasets a run reads: those that are named, or with `all`, each that the other options allow."""

import logging

from audit.config import ScopeSettings
from audit.datasets import DATASETS, Dataset
from audit.entity import EntityType
from audit.errors import UsageError
from audit.run.kinds import CHOOSABLE, kinds_of, title_of
from audit.text import did_you_mean

log = logging.getLogger(__name__)

#: In place of the name of a dataset: all of them.
_ALL = "all"


def chosen_datasets(given: ScopeSettings, *, has_ids: bool, has_users: bool) -> tuple[Dataset, ...]:
    """The datasets of a run. A warning names those that `all` leaves out.

    Args:
        given: the configuration.
        has_ids: workspaces are selected by id.
        has_users: users are selected by email address.

    Raises:
        UsageError: a dataset is unknown.
    """
    named = {dataset.name: dataset for dataset in (dataset_of(name) for name in given.datasets if name != _ALL)}
    if _ALL not in given.datasets:
        return tuple(named.values())
    others = [dataset for dataset in DATASETS.values() if dataset.name not in named]
    reasons = {dataset.name: obstacle(dataset, given, has_ids=has_ids, has_users=has_users) for dataset in others}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    if left_out:
        told = "; ".join(f"{title_of(DATASETS[name])}: {reason}" for name, reason in left_out.items())
        log.warning("--dataset all leaves out %s", told)
    return tuple(dataset for dataset in DATASETS.values() if dataset.name not in left_out)


def obstacle(dataset: Dataset, given: ScopeSettings, *, has_ids: bool, has_users: bool) -> str | None:
    """Why `all` leaves a dataset out under the other options; None if it does not.

    Args:
        dataset: the dataset.
        given: the configuration.
        has_ids: workspaces are selected by id.
        has_users: users are selected by email address.
    """
    if dataset.by_user:
        is_asked_for = has_users or given.all_users or given.sites
        if is_asked_for or not (given.all_orgs or given.org_ids):
            return None
        return "the API takes no orgId there, so run it by itself, with a token of each organization"
    if has_ids:
        return None if EntityType.WORKSPACE in dataset.scopes else "only workspaces are selected by id"
    kinds = kinds_of(DATASETS.values(), given.entities)
    if not CHOOSABLE & dataset.scopes.keys() or set(kinds) & dataset.scopes.keys():
        return None
    return f"add {' or '.join(f'--entity {title_of(kind)}' for kind in dataset.scopes)}"


def dataset_of(name: str) -> Dataset:
    """The dataset of a name, as on the command line or in a manifest.

    Raises:
        UsageError: there is none.
    """
    known = DATASETS.get(name.replace("-", "_"))
    if known is None:
        names = [*map(title_of, DATASETS.values()), _ALL]
        raise UsageError(f"scope.datasets: {name!r} is none of {', '.join(names)}{did_you_mean(name, names)}")
    return known
