"""Meeting preferences: the sites of a user, and the audio options there."""

import json
from dataclasses import dataclass

from aiohttp import web

from audit.simulator.access import Access, RefusedError, refused
from audit.simulator.answers import error
from audit.simulator.seed import Json
from audit.simulator.simulation import Simulation

_OWN, _ANYBODYS = "meeting:preferences_read", "meeting:admin_preferences_read"


@dataclass(frozen=True)
class _Asked:
    user: int
    site_url: str


class MeetingRoutes:
    """Serves these operations from a simulation. They take no `orgId`: only the token's own organization answers."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._access = Access(simulation)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the operations."""
        router.add_get("/v1/meetingPreferences/audio", self._audio)
        router.add_get("/v1/meetingPreferences/sites", self._sites)

    async def _audio(self, request: web.Request) -> web.Response:
        self._require_scope(request)
        if self._site_url(request) in self._simulation.dead_sites:
            return web.Response(status=503)
        asked = self._asked(request)
        return _answer(self._simulation.organization.audio(asked.user, asked.site_url))

    async def _sites(self, request: web.Request) -> web.Response:
        self._require_scope(request)
        return _answer({"sites": self._simulation.organization.sites(self._asked(request).user)})

    def _require_scope(self, request: web.Request) -> None:
        if not self._access.has(request, _OWN, _ANYBODYS):
            raise RefusedError(error(403, "Not permitted to view or change other user's preferences."))

    def _asked(self, request: web.Request) -> _Asked:
        organization = self._simulation.organization
        user: int | None = 0
        # Without the admin scope, the API ignores userEmail and silently answers for the caller.
        if "userEmail" in request.query and self._access.has(request, _ANYBODYS):
            user = organization.person_index_of_email(request.query["userEmail"])
        site_url = self._site_url(request)
        if user is None or site_url not in {site["siteUrl"] for site in organization.sites(user)}:
            raise refused(404)
        return _Asked(user, site_url)

    def _site_url(self, request: web.Request) -> str:
        # The default site of the caller is that of the organization.
        return request.query.get("siteUrl", self._simulation.organization.site_urls[0])


def _answer(body: Json) -> web.Response:
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    return web.Response(body=json.dumps(body).encode(), headers=headers)
