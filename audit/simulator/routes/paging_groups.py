"""Paging groups: the listing, and the details of a group."""

from aiohttp import web

from audit.simulator.access import Access, found, refused
from audit.simulator.paging import Listing, page
from audit.simulator.simulation import Simulation

_SCOPE = "spark-admin:telephony_config_read"


class PagingRoutes:
    """Serves these operations from a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/telephony/config/paging", self._list)
        router.add_get("/v1/telephony/config/locations/{location}/paging/{id}", self._details)

    async def _list(self, request: web.Request) -> web.Response:
        paging = self._access.organization(request, _SCOPE).paging
        quirks = self._simulation.faults_for(request.query.get("orgId")).quirks
        listing = Listing(paging.count, paging.item, "locationPaging")
        return page(request, listing, max_page=self._simulation.max_page, quirks=quirks)

    async def _details(self, request: web.Request) -> web.Response:
        paging = self._access.organization(request, _SCOPE).paging
        index = found(paging.index_of(request.match_info["id"]))
        if paging.item(index)["locationId"] != request.match_info["location"]:
            raise refused(404)
        return web.json_response(paging.details(index))
