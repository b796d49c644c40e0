"""Organizations, their locations and their licenses."""

from aiohttp import web

from audit.simulator.access import Access
from audit.simulator.paging import Listing, invalid_items, page
from audit.simulator.simulation import Simulation


class OrganizationRoutes:
    """Serves these operations from a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/organizations", self._organizations)
        router.add_get("/v1/locations", self._locations)
        router.add_get("/v1/licenses", self._licenses)

    async def _organizations(self, request: web.Request) -> web.Response:
        self._access.require(request, "spark-admin:organizations_read")
        listed = self._simulation.organizations_listed
        created = "2015-10-18T14:26:16+00:00"
        faults = self._simulation.faults_for(None)
        items = [
            {"id": organization.org_id, "displayName": organization.name, "created": created}
            for organization in (self._simulation.organizations if listed is None else listed)
        ]
        return web.json_response({"items": items + invalid_items(faults.quirks)})

    async def _locations(self, request: web.Request) -> web.Response:
        locations = self._access.organization(request, "spark-admin:locations_read").locations
        faults = self._simulation.faults_for(request.query.get("orgId"))
        listing = Listing(len(locations), locations.__getitem__)
        return page(request, listing, max_page=self._simulation.max_page, quirks=faults.quirks)

    async def _licenses(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, "spark-admin:licenses_read")
        return web.json_response({"items": organization.licenses})
