"""What a run is to audit: datasets, kinds of entity, organizations, users."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from audit import __version__
from audit.config import Settings
from audit.datasets import Dataset
from audit.datasets.dataset import site_of
from audit.entity import EntityType
from audit.errors import UsageError
from audit.inventory import Users
from audit.inventory.organizations import check_org_ids
from audit.run.choice import chosen_datasets
from audit.run.kinds import CHOOSABLE, check_kinds, kinds_of, title_of
from audit.snapshot.manifest import Scope
from audit.snapshot.source import Source
from audit.webex import ids


@dataclass(frozen=True)
class RunScope:
    """The scope of a run. Made by `scope_of`.

    Attributes:
        datasets: the datasets to read.
        kinds: the kinds of entity to read, for datasets that are not addressed by user.
        organizations: the token's own, those of `org_ids`, or all that the token manages except `excluded`.
        org_ids: ids of organizations; for a repeated run, those of its snapshot.
        excluded: ids of organizations.
        wanted: ids of workspaces; None for all.
        users: the users to read, for datasets that are addressed by user.
        sites: meeting sites; empty for all sites of a user.
        retry_failed: the snapshot to retry; its complete answers are kept.
    """

    datasets: tuple[Dataset, ...]
    kinds: tuple[EntityType, ...] = (EntityType.WORKSPACE,)
    organizations: Literal["own", "named", "all"] = "own"
    org_ids: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    wanted: Collection[str] | None = None
    users: Users = field(default_factory=Users)
    sites: tuple[str, ...] = ()
    retry_failed: Source | None = None

    def kinds_of(self, dataset: Dataset) -> tuple[EntityType, ...]:
        """The kinds of entity that a dataset is read for."""
        return tuple(kind for kind in dataset.scopes if dataset.by_user or kind in self.kinds or kind not in CHOOSABLE)

    @property
    def is_by_user(self) -> bool:
        """Whether a dataset is addressed by user, and so read from the token's own organization only."""
        return any(dataset.by_user for dataset in self.datasets)

    def journal(self, base_url: str) -> dict[str, Any]:
        """What must not change between a run and the run that resumes it."""
        return {
            "webex.base_url": base_url,
            "organizations": [self.organizations, *self.org_ids],
            "scope.exclude_orgs": list(self.excluded),
            "scope.datasets": [dataset.name for dataset in self.datasets],
            "scope.entities": list(self.kinds),
            "workspace ids (SHA-256)": _digest(self.wanted),
            "users": self.users.which,
            "mail addresses (SHA-256)": _digest(self.users.emails),
            "scope.sites": list(self.sites),
            "--retry-failed": self.retry_failed.manifest.snapshot_id if self.retry_failed else None,
            "--retry-failed (SHA-256)": self.retry_failed.manifest_sha256 if self.retry_failed else None,
            "version": __version__,
        }

    def for_manifest(self) -> Scope:
        """The scope as the manifest records it."""
        if self.retry_failed:
            return self.retry_failed.manifest.scope
        # A dataset by user has users of its own. Beside another dataset, they would seem to be of that, too.
        listed = [dataset for dataset in self.datasets if not dataset.by_user] or self.datasets
        kinds = [kind for dataset in listed for kind in self.kinds_of(dataset)]
        return Scope(
            [dataset.name for dataset in self.datasets],
            list(dict.fromkeys(kinds)),
            None if self.wanted is None else len(set(self.wanted)),
            self.organizations,
            [ids.uuid_of(each) or each for each in self.excluded],
            self.users.which if self.is_by_user else None,
            len(self.users.emails) if self.is_by_user and self.users.which == "named" else None,
            list(self.sites) if self.is_by_user else [],
            self._selected(),
        )

    def _selected(self) -> str | None:
        """Tells selections of the same size apart."""
        workspaces = {ids.uuid_of(each) or each for each in self.wanted or ()}
        return _digest(workspaces | ({each.lower() for each in self.users.emails} if self.is_by_user else set()))


def scope_of(settings: Settings, wanted: Collection[str] | None = None, users: Users | None = None) -> RunScope:
    """The scope that settings and selections ask for.

    Args:
        settings: the configuration.
        wanted: ids of the selected workspaces; None for all.
        users: the selected users, if any were named.

    Raises:
        UsageError: settings and selections contradict each other.
    """
    given = settings.scope
    if users and given.all_users:
        raise UsageError("--all-users audits all people: leave out --user and --users-from")
    datasets = chosen_datasets(given, has_ids=wanted is not None, has_users=bool(users))
    scope = RunScope(
        datasets,
        kinds_of(datasets, given.entities),
        "all" if given.all_orgs else "named" if given.org_ids else "own",
        tuple(check_org_ids(given.org_ids)),
        tuple(check_org_ids(given.exclude_orgs, "--exclude-org")),
        wanted,
        users or Users("all" if given.all_users else "self"),
        tuple(dict.fromkeys(_site(site) for site in given.sites)),
    )
    _check(_contradictions(scope, users))
    check_kinds(scope.datasets, scope.kinds, is_chosen=bool(given.entities))
    check_offered(scope, settings.webex.base_url)
    return scope


def _site(text: str) -> str:
    try:
        return site_of(text)
    except ValueError as error:
        raise UsageError(f"--site: {error}") from None


def _check(contradictions: dict[str, bool]) -> None:
    for message, is_contradiction in contradictions.items():
        if is_contradiction:
            raise UsageError(message)


def check_offered(scope: RunScope, base_url: str) -> None:
    """Check that an API offers what a scope asks for.

    Raises:
        UsageError: Webex for Government has no call settings of people ("Webex for Government (FedRAMP)",
            developer.webex.com).
    """
    host = urlsplit(base_url).hostname or ""
    asks = [
        dataset for dataset in scope.datasets if not dataset.by_user and EntityType.PERSON in scope.kinds_of(dataset)
    ]
    if asks and "usgov" in host:
        raise UsageError(
            f"--entity person: {host} (Webex for Government) does not offer the call settings of people: leave out "
            "--entity person (scope.entities)"
        )


def _contradictions(scope: RunScope, users: Users | None) -> dict[str, bool]:
    """Messages, each with the claim that makes it an error; the first true claim counts."""
    is_all = scope.organizations == "all"
    is_several = is_all or len(scope.org_ids) > 1
    has_ids = scope.wanted is not None
    ids_flags, user_flags = "--workspace-id and --ids-from", "--user and --users-from"
    return {
        "--all-orgs audits all organizations that the token manages: leave out --org-id (scope.org_ids)": (
            is_all and bool(scope.org_ids)
        ),
        "--exclude-org excludes organizations from --all-orgs: add --all-orgs": bool(scope.excluded) and not is_all,
        f"{user_flags} select whose audio options to read: add --dataset audio-options": (
            bool(users) and not scope.is_by_user
        ),
        "--all-users belongs to --dataset audio-options": not scope.is_by_user and scope.users.which == "all",
        "--site belongs to --dataset audio-options": not scope.is_by_user and bool(scope.sites),
        f"{ids_flags} select workspaces: {_with_workspaces(scope)}": (
            has_ids and all(dataset.by_user or EntityType.WORKSPACE not in dataset.scopes for dataset in scope.datasets)
        ),
        f"{ids_flags} select workspaces: leave out --dataset {_without_workspaces(scope)}": (
            has_ids and bool(_without_workspaces(scope))
        ),
        f"{_own_only(scope)} can be read in the token's own organization only, because the API takes no orgId there: "
        f"audit each organization with a token of its own, or leave out {_of_users(scope)}{_others(scope)}": (
            scope.is_by_user and is_several
        ),
        f"{ids_flags} select workspaces of one organization: name only that organization": has_ids and is_several,
        f"{ids_flags} select workspaces: leave out --entity": has_ids and set(scope.kinds) != {EntityType.WORKSPACE},
    }


def _with_workspaces(scope: RunScope) -> str:
    others = _without_workspaces(scope)
    return f"use --dataset push-to-talk in place of --dataset {others}" if others else "add --dataset push-to-talk"


def _without_workspaces(scope: RunScope) -> str:
    others = [each for each in scope.datasets if not each.by_user and EntityType.WORKSPACE not in each.scopes]
    return " --dataset ".join(map(title_of, others))


def _others(scope: RunScope) -> str:
    """The options for the datasets of a scope that other organizations have, too: `--dataset all` names none."""
    others = [dataset for dataset in scope.datasets if not dataset.by_user]
    return f" (keep {' '.join(f'--dataset {title_of(dataset)}' for dataset in others)})" if others else ""


def _of_users(scope: RunScope) -> str:
    """The options that ask for settings of users."""
    flags = [f"--dataset {_own_only(scope)}"]
    flags += ["--all-users"] if scope.users.which == "all" else []
    flags += ["--user and --users-from"] if scope.users.which == "named" else []
    flags += ["--site"] if scope.sites else []
    return ", ".join(flags)


def _own_only(scope: RunScope) -> str:
    return ", ".join(title_of(dataset) for dataset in scope.datasets if dataset.by_user)


def _digest(texts: Collection[str] | None) -> str | None:
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest() if texts else None
