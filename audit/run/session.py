"""The organizations of a scope, and a client for each: where run, dry run and doctor begin."""

import logging
from functools import partial

from audit.crawl.progress import Progress
from audit.errors import UsageError
from audit.inventory.organizations import (
    Organization,
    Organizations,
    all_organizations,
    named_organizations,
    own_organization,
    retried_organizations,
)
from audit.run.scope import RunScope
from audit.webex import ids
from audit.webex.client import Client
from audit.webex.rate import Belief

log = logging.getLogger(__name__)

_LONG_PAUSE_S = 60.0


async def find_organizations(client: Client, scope: RunScope) -> Organizations:
    """The organizations of a scope.

    Raises:
        UsageError: the scope names another organization for a dataset that only the token's own allows.
        RefusedError: the token is refused, or lacks the scope to read its organizations.
        StoppedError: the organizations can't be read.
    """
    if scope.is_by_user:
        own = await own_organization(client)
        if others := [each for each in map(ids.uuid_of, scope.org_ids) if each != own.org_id]:
            raise UsageError(
                f"audio-options of organization {others[0]} can't be read: the API takes no orgId there, and "
                f"this token is of organization {own.org_id}: use a token of organization {others[0]}"
            )
        return Organizations([own])
    if scope.organizations == "own":
        return Organizations([await own_organization(client)])
    if scope.organizations == "named":
        return Organizations(await named_organizations(client, scope.org_ids))
    if scope.retry_failed:
        return await retried_organizations(client, scope.retry_failed.manifest)
    return await all_organizations(client, scope.excluded)


def clients_of(client: Client, organizations: list[Organization]) -> list[Client]:
    """A client for each organization, with a pace of its own where there are several.

    Args:
        client: the client of the run; it becomes that of a single organization.
        organizations: at least one.
    """
    if len(organizations) == 1:
        return [client.asking(organizations[0].title)]
    return [client.beside(client.pace.beside(), each.title, partial(tell_pause, each)) for each in organizations]


def tell_limit(organization: Organization, progress: Progress, belief: Belief) -> None:
    """Log what limits the requests of an organization, and show it."""
    log.info("%s: %s", organization.name or organization.org_id, belief)
    progress.on_limit(str(belief))


def tell_pause(organization: Organization, pause_s: float) -> None:
    """Log a pause that a user would wonder about; it holds no other organization back."""
    if pause_s >= _LONG_PAUSE_S:
        name = organization.name or organization.org_id
        log.info("%s: the API asks to wait: requests pause for %.0f s", name, pause_s)
