"""The answer settings of workspaces, people and virtual lines."""

from aiohttp import web

from audit.simulator.access import Access, RefusedError, found, no_user, refused
from audit.simulator.answers import error
from audit.simulator.hot_desks import is_hot_desk, refused_hot_desk
from audit.simulator.organization import Organization
from audit.simulator.simulation import Simulation

_SCOPE = "spark-admin:telephony_config_read"


class AnswerSettingsRoutes:
    """Serves these operations from a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/telephony/config/workspaces/{id}/answerSettings", self._of_workspace)
        router.add_get("/v1/workspaces/{id}/answerSettings", self._of_workspace_elsewhere)
        router.add_get("/v1/telephony/config/people/{id}/answerSettings", self._of_person)
        router.add_get("/v1/telephony/config/virtualLines/{id}/answerSettings", self._of_virtual_line)

    async def _of_workspace(self, request: web.Request) -> web.Response:
        self._refuse_unknown(request, "answers-elsewhere")
        return self._workspace(request)

    async def _of_workspace_elsewhere(self, request: web.Request) -> web.Response:
        """The answer at the path that the official document does not have."""
        self._refuse_unknown(request)
        if "answers-elsewhere" not in self._quirks(request):
            raise refused(404)
        return self._workspace(request)

    def _workspace(self, request: web.Request) -> web.Response:
        organization = self._access.organization(request, _SCOPE)
        index = found(organization.index_of(request.match_info["id"]))
        if is_hot_desk(index, quirks := self._quirks(request)):
            raise refused_hot_desk(quirks)
        # The document does not limit the operation to professional workspaces, so a 405 is not to be expected here.
        return self._answer(request, organization, "workspace", index, is_refused=organization.refusal(index) == 404)

    async def _of_person(self, request: web.Request) -> web.Response:
        self._refuse_unknown(request)
        organization = self._access.organization(request, _SCOPE)
        index = found(organization.person_index_of(request.match_info["id"]))
        is_refused = organization.person_refusal(index) is not None
        return self._answer(request, organization, "person", index, is_refused=is_refused)

    async def _of_virtual_line(self, request: web.Request) -> web.Response:
        self._refuse_unknown(request)
        organization = self._access.organization(request, _SCOPE)
        index = found(organization.virtual_line_index_of(request.match_info["id"]))
        return self._answer(request, organization, "virtual_line", index)

    def _answer(
        self, request: web.Request, organization: Organization, kind: str, index: int, *, is_refused: bool = False
    ) -> web.Response:
        if is_refused:
            raise no_user(request)
        return web.json_response(organization.answer_settings(kind, index))

    def _refuse_unknown(self, request: web.Request, *more: str) -> None:
        """Refuse a path that the API does not know, whatever the token may read."""
        quirks = self._quirks(request)
        if "no-answers-405" in quirks:
            raise RefusedError(error(405, "Method not allowed."))
        if not quirks.isdisjoint({"no-answers", *more}):
            raise refused(404)

    def _quirks(self, request: web.Request) -> frozenset[str]:
        return self._simulation.faults_for(request.query.get("orgId")).quirks
