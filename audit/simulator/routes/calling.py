"""Workspaces, virtual lines, and the Push-to-Talk settings of all kinds of entity."""

from aiohttp import web

from audit.simulator.access import Access, found, no_user, refused
from audit.simulator.answers import error
from audit.simulator.devices import with_devices
from audit.simulator.hot_desks import as_hot_desk, is_hot_desk, refused_hot_desk
from audit.simulator.paging import Listing, page
from audit.simulator.seed import Json
from audit.simulator.simulation import Simulation


class CallingRoutes:
    """Serves these operations from a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/workspaces", self._workspaces)
        router.add_get("/v1/telephony/config/virtualLines", self._virtual_lines)
        router.add_get("/v1/telephony/config/workspaces/{id}/pushToTalk", self._of_workspace)
        router.add_get("/v1/telephony/config/virtualLines/{id}/pushToTalk", self._of_virtual_line)
        router.add_get("/v1/people/{id}/features/pushToTalk", self._of_person)

    async def _workspaces(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, "spark-admin:workspaces_read")
        quirks = self._quirks(request)
        is_with_devices = request.query.get("includeDevices") == "true"
        if is_with_devices and "devices-refused" in quirks:
            raise refused(400)

        def item(index: int) -> Json:
            workspace = organization.workspace(index)
            found = as_hot_desk(workspace, quirks) if is_hot_desk(index, quirks) else workspace
            return with_devices(found, organization.devices(index), index, quirks) if is_with_devices else found

        return self._page(request, Listing(organization.workspaces, item))

    async def _virtual_lines(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, "spark-admin:telephony_config_read")
        return self._page(request, Listing(organization.virtual_lines, organization.virtual_line, "virtualLines"))

    async def _of_workspace(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, "spark-admin:workspaces_read")
        index = found(organization.index_of(request.match_info["id"]))
        if is_hot_desk(index, quirks := self._quirks(request)):
            raise refused_hot_desk(quirks)
        match organization.refusal(index):
            case 405:
                return error(405, "Invalid Professional Place", code=25409)
            case 404:
                raise no_user(request)
        return web.json_response(organization.push_to_talk(index))

    async def _of_person(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, "spark-admin:people_read")
        index = found(organization.person_index_of(request.match_info["id"]))
        if organization.person_refusal(index) is not None:
            raise no_user(request)
        return web.json_response(organization.person_push_to_talk(index))

    async def _of_virtual_line(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, "spark-admin:telephony_config_read")
        index = found(organization.virtual_line_index_of(request.match_info["id"]))
        return web.json_response(organization.virtual_line_push_to_talk(index))

    def _page(self, request: web.Request, listing: Listing) -> web.Response:
        return page(request, listing, max_page=self._simulation.max_page, quirks=self._quirks(request))

    def _quirks(self, request: web.Request) -> frozenset[str]:
        return self._simulation.faults_for(request.query.get("orgId")).quirks
