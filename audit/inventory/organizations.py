"""Finds the organizations to audit: the token's own, named ones, or all that the token manages."""

import logging
from collections.abc import Collection, Iterable
from typing import NamedTuple

from audit.errors import RefusedError, StoppedError, UsageError
from audit.inventory.names import NameListing, read_names
from audit.outcome import Outcome
from audit.snapshot.manifest import Manifest
from audit.snapshot.org import Org
from audit.text import count_of, did_you_mean
from audit.untrusted.bounds import ORG_NAMES_BYTES, ORGANIZATIONS
from audit.webex import ids, wire
from audit.webex.body import body_object
from audit.webex.client import Client
from audit.webex.errors import UnansweredError
from audit.webex.paging import pages

log = logging.getLogger(__name__)

_SCOPE = "spark-admin:organizations_read"
#: Items without a usable id that have a line each; all are counted.
_MOST_LINES = 20
#: How similar a mistyped UUID is to the one that it means; any two have half of this in common.
_SIMILAR = 0.8
_NAMES = NameListing(
    "/organizations",
    _SCOPE,
    "names of organizations can't be read, so they are left out",
    name="displayName",
    key=ids.uuid_of,
    most_bytes=ORG_NAMES_BYTES,
)


class Organization:
    """An organization that is audited.

    Attributes:
        org_id: the UUID, which the tables hold.
        webex_id: the id, which the API takes.
        is_own: this is the token's own organization, so requests need no `orgId`.
        name: the display name; None if the token may not read it.
    """

    def __init__(self, webex_id: str, *, is_own: bool, name: str | None = None) -> None:
        uuid = ids.uuid_of(webex_id)
        if uuid is None:
            raise StoppedError(f"the API names an organization by {webex_id[:200]!r}, which holds no UUID")
        self.org_id = uuid
        self.webex_id = webex_id
        self.is_own = is_own
        self.name = name

    @property
    def title(self) -> str:
        """The text for messages: the name, if known, and the UUID."""
        return f"{self.name} ({self.org_id})" if self.name else self.org_id

    @property
    def params(self) -> dict[str, str]:
        """The query parameters that address the organization."""
        return {} if self.is_own else {"orgId": self.webex_id}


class Organizations(NamedTuple):
    """The organizations to audit, and the number of listed items that name no organization."""

    found: list[Organization]
    invalid: int = 0


def check_org_ids(org_ids: Iterable[str], flag: str = "--org-id") -> list[str]:
    """Turn ids and bare UUIDs of organizations into ids, each once.

    Raises:
        UsageError: a text is neither.
    """
    checked: dict[str, str] = {}
    for text in org_ids:
        webex_id = ids.organization_id(text.strip())
        if webex_id is None:
            raise UsageError(
                f"{flag}: organization {text!r}: expected its id as GET /organizations gives it (Y2lzY29…), or its UUID"
            )
        checked.setdefault(ids.uuid_of(webex_id) or "", webex_id)
    return list(checked.values())


async def own_organization(client: Client) -> Organization:
    """The token's own organization, with its name if the token may read it.

    Raises:
        RefusedError: the API refuses the token, or the token has no scope that reveals its organization.
        StoppedError: no answer names the organization.
    """
    organization = Organization(await _own_id(client), is_own=True)
    organization.name = (await _names(client)).get(organization.org_id)
    return organization


async def named_organizations(client: Client, org_ids: Collection[str]) -> list[Organization]:
    """The organizations with these ids (`check_org_ids`), with their names if the token may read them."""
    organizations = [Organization(webex_id, is_own=False) for webex_id in org_ids]
    names = await _names(client)
    for organization in organizations:
        organization.name = names.get(organization.org_id)
    return organizations


async def all_organizations(client: Client, excluded: Collection[str]) -> Organizations:
    """All organizations that the token manages, except the excluded ones (`check_org_ids`).

    Raises:
        RefusedError: the token may not list organizations, or manages none.
        UsageError: all organizations are excluded, or an excluded one is not listed.
        StoppedError: the listing could not be finished, or no item of it has an id.
    """
    listed, invalid = await _listed(client)
    if not listed and invalid:
        raise StoppedError(
            f"GET /organizations lists {count_of(invalid, 'item')} without the id of an organization, and nothing "
            "else: check webex.base_url, or name the organizations with --org-id"
        )
    if not listed:
        raise RefusedError(
            "the token manages no organization (GET /organizations lists none): use a partner administrator's token, "
            "or leave out --all-orgs to audit the token's own"
        )
    left_out = {ids.uuid_of(webex_id) or "" for webex_id in excluded}
    for org_id in sorted(left_out - listed.keys()):
        # Going on would audit the organization that a mistyped id means.
        near = did_you_mean(org_id, listed, cutoff=_SIMILAR)
        raise UsageError(
            f"--exclude-org {org_id}: the token manages no such organization, so nothing is audited: correct the id, "
            f"or leave it out (scope.exclude_orgs) if the organization is gone{near}"
        )
    kept = [organization for org_id, organization in listed.items() if org_id not in left_out]
    if not kept:
        all_of = f"all {len(listed)} organizations" if len(listed) > 1 else "the only organization"
        raise UsageError(f"--exclude-org leaves out {all_of} that the token manages")
    return Organizations(kept, invalid)


async def _listed(client: Client) -> tuple[dict[str, Organization], int]:
    """The listed organizations by UUID, and the number of items that name none."""
    listed: dict[str, Organization] = {}
    invalid = 0
    async for page in pages(client, "/organizations", {}, "items", scope=_SCOPE):
        for item in page:
            if organization := _read(item):
                listed.setdefault(organization.org_id, organization)
            else:
                invalid += 1
                if invalid <= _MOST_LINES:
                    log.warning("an organization is listed as %.100r, without a usable id: it can't be audited", item)
            if len(listed) + invalid > ORGANIZATIONS:
                raise UnansweredError(
                    f"/organizations lists more than {ORGANIZATIONS:,} organizations: name those to audit with --org-id"
                )
    return listed, invalid


def _read(item: object) -> Organization | None:
    if not isinstance(item, dict):
        return None
    webex_id = ids.organization_id(ids.usable(item.get("id")) or "")
    return Organization(webex_id, is_own=False, name=wire.name(item.get("displayName"))) if webex_id else None


async def retried_organizations(client: Client, manifest: Manifest) -> Organizations:
    """The organizations of a snapshot, including those that are no longer listed: they may need no request.

    If items of the listing named no organization then, the organizations that are listed now come to them.

    Raises:
        RefusedError: the token may not list its organizations.
        StoppedError: the listing could not be finished.
    """
    found, invalid = await all_organizations(client, ())
    listed = {each.org_id: each for each in found}
    known = {org.org_id: listed.get(org.org_id) or _remembered(org) for org in manifest.orgs}
    if not manifest.invalid_organizations:
        return Organizations(list(known.values()))
    others = {org_id: each for org_id, each in listed.items() if org_id not in manifest.scope.excluded}
    return Organizations(list((others | known).values()), invalid)


def _remembered(org: Org) -> Organization:
    (webex_id,) = check_org_ids([org.webex_id or org.org_id])
    return Organization(webex_id, is_own=False, name=org.name)


async def _own_id(client: Client) -> str:
    answer = await client.get("/people/me")
    if answer.outcome.is_unanswered or answer.outcome is Outcome.INVALID_RESPONSE:
        raise client.unanswered("/people/me", answer, "spark:people_read")
    own_id = wire.text(body_object(answer.body).get("orgId")) if answer.outcome is Outcome.OK else None
    if not own_id and answer.outcome is Outcome.FORBIDDEN:
        # A service app may lack spark:people_read, but its workspaces name the organization too.
        scope = "spark-admin:workspaces_read (or spark:people_read)"
        async for page in pages(client, "/workspaces", {"max": "1"}, "items", scope=scope):
            own_id = next((text for item in wire.objects(page) if (text := wire.text(item.get("orgId")))), None)
            break
    if not own_id:
        raise StoppedError(
            f"the token's own organization is not known (GET /people/me: HTTP {answer.status}, "
            f"{answer.message or 'no orgId'}): check webex.base_url, or name the organization with --org-id"
        )
    return own_id


async def _names(client: Client) -> dict[str, str]:
    return (await read_names(client, _NAMES, {})).by_key
