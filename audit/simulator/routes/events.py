"""The administrators' log: its events, and their categories."""

import re
from datetime import datetime, timedelta

from aiohttp import web

from audit.simulator.access import Access, refused
from audit.simulator.events import CATEGORIES
from audit.simulator.organization import Json, Organization
from audit.simulator.paging import Listing, page
from audit.simulator.seed import webex_id
from audit.simulator.simulation import Simulation

_SCOPE = "audit:events_read"
_MAX_PAGE = 200
_LONGEST = timedelta(days=366)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


class EventRoutes:
    """Serves these operations from a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/adminAudit/events", self._events)
        router.add_get("/v1/adminAudit/eventCategories", self._categories)

    async def _events(self, request: web.Request) -> web.Response:
        self._access.require(request, _SCOPE)
        organization = self._organization(request)
        since, until = _time(request, "from"), _time(request, "to")
        if not since < until <= since + _LONGEST:
            raise refused(400)
        events = [each for each in organization.events(since, until) if _is_wanted(each, request)]
        listing = Listing(len(events), events.__getitem__, start="offset")
        quirks = self._simulation.faults_for(request.query.get("orgId")).quirks
        return page(request, listing, max_page=min(_MAX_PAGE, self._simulation.max_page), quirks=quirks)

    async def _categories(self, request: web.Request) -> web.Response:
        self._access.require(request, _SCOPE)
        return web.json_response({"eventCategories": list(CATEGORIES)})

    def _organization(self, request: web.Request) -> Organization:
        """The organization of `orgId`, which is required, and may be a bare UUID."""
        org_id = request.query.get("orgId")
        if not org_id:
            raise refused(400)
        return self._access.named(webex_id("ORGANIZATION", org_id.lower()) if "-" in org_id else org_id)


def _time(request: web.Request, name: str) -> datetime:
    text = request.query.get(name, "")
    if not _TIME.fullmatch(text):
        raise refused(400)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise refused(400) from None


def _is_wanted(event: Json, request: web.Request) -> bool:
    """Whether an event is of the actor and of a category that a request names, if it names any."""
    wanted = {name for text in request.query.getall("eventCategories", []) for name in text.split(",")}
    data = event.get("data")
    category = str(data.get("eventCategory")).rpartition(".")[2] if isinstance(data, dict) else None
    return request.query.get("actorId") in (None, event.get("actorId")) and (not wanted or category in wanted)
