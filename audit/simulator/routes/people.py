"""People: the listing, a single person, and the caller."""

from collections.abc import Sequence

from aiohttp import web

from audit.simulator.access import Access, refused
from audit.simulator.organization import Organization
from audit.simulator.paging import Listing, page
from audit.simulator.seed import Json
from audit.simulator.simulation import Simulation

_MAX_WITH_CALLING_DATA = 100
_MAX_OF_A_LOCATION = 50
_MAX_IDS = 85


class PeopleRoutes:
    """Serves these operations from a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/people", self._people)
        router.add_get("/v1/people/me", self._me)
        router.add_get("/v1/people/{id}", self._person)

    async def _me(self, request: web.Request) -> web.Response:
        self._access.require(request, "spark:people_read")
        return web.json_response(self._simulation.organization.person(0, calling_data=_wants(request, "callingData")))

    async def _person(self, request: web.Request) -> web.Response:
        self._access.require(request, "spark-admin:people_read", "spark:people_read")
        organization = self._simulation.organization
        index = organization.person_index_of(request.match_info["id"])
        if index is None:
            raise refused(404)
        return web.json_response(organization.person(index, calling_data=_wants(request, "callingData")))

    async def _people(self, request: web.Request) -> web.Response:
        is_narrow = "email" in request.query or "id" in request.query
        scopes = ("spark-admin:people_read", "spark:people_read") if is_narrow else ("spark-admin:people_read",)
        organization = self._access.organization(request, *scopes)
        indexes = _selected(request, organization)
        listing = Listing(
            len(indexes),
            lambda position: _item(request, organization, indexes[position]),
            by_cursor=True,
            extra={"notFoundIds": _unknown(request, organization)} if "id" in request.query else None,
        )
        faults = self._simulation.faults_for(request.query.get("orgId"))
        return page(request, listing, max_page=self._max_page(request), quirks=faults.quirks)

    def _max_page(self, request: web.Request) -> int:
        caps = [self._simulation.max_page]
        if _wants(request, "callingData"):
            caps.append(_MAX_WITH_CALLING_DATA)
        if "locationId" in request.query:
            caps.append(_MAX_OF_A_LOCATION)
        return min(caps)


def _item(request: web.Request, organization: Organization, index: int) -> Json:
    person = organization.person(index, calling_data=_wants(request, "callingData"))
    if _wants(request, "excludeStatus") or "id" in request.query:
        for name in ("status", "lastActivity"):
            person.pop(name, None)
    return person


def _selected(request: web.Request, organization: Organization) -> Sequence[int]:
    if "email" in request.query:
        index = organization.person_index_of_email(request.query["email"])
        return [] if index is None else [index]
    if "id" in request.query:
        found = map(organization.person_index_of, _ids(request))
        return [index for index in found if index is not None]
    everybody = range(organization.people)
    if location_id := request.query.get("locationId"):
        return [index for index in everybody if organization.person_location_id(index) == location_id]
    return everybody


def _unknown(request: web.Request, organization: Organization) -> list[str]:
    return [each for each in _ids(request) if organization.person_index_of(each) is None]


def _ids(request: web.Request) -> list[str]:
    ids = request.query["id"].split(",")
    if len(ids) > _MAX_IDS:
        raise refused(400)
    return ids


def _wants(request: web.Request, name: str) -> bool:
    return request.query.get(name, "false").lower() == "true"
