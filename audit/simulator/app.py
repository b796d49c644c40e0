"""The API over real HTTP: tokens, limits and faults apply before every operation."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from audit.loopback import serving
from audit.simulator.access import RefusedError
from audit.simulator.answers import MESSAGES, Handler, error, fail
from audit.simulator.limit import Limit
from audit.simulator.routes.answer_settings import AnswerSettingsRoutes
from audit.simulator.routes.calling import CallingRoutes
from audit.simulator.routes.events import EventRoutes
from audit.simulator.routes.login import LoginRoutes
from audit.simulator.routes.meetings import MeetingRoutes
from audit.simulator.routes.organizations import OrganizationRoutes
from audit.simulator.routes.paging_groups import PagingRoutes
from audit.simulator.routes.people import PeopleRoutes
from audit.simulator.simulation import ADMIN_TOKEN, UNSCOPED_TOKEN, USER_TOKEN, Simulation
from audit.simulator.tokens import TokenEndpoint

__all__ = ["ADMIN_TOKEN", "UNSCOPED_TOKEN", "USER_TOKEN", "Simulation", "serve"]

#: What a browser asks for, without a token.
_PAGES = frozenset({"/v1/authorize", "/v1/device/verify"})
#: Bytes; next links may be long.
_LONGEST_LINE = 131_072


@asynccontextmanager
async def serve(simulation: Simulation, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve a simulation while the block runs.

    Args:
        simulation: the simulation.
        host: a loopback address.
        port: 0 for any free port.

    Yields:
        The base URL.

    Raises:
        OSError: the port is taken.
    """
    app = _Api(simulation).app()
    async with serving(
        app, host, port, shutdown_timeout=0.1, handler_cancellation=True, max_line_size=_LONGEST_LINE
    ) as bound:
        yield f"http://{host}:{bound}/v1"


class _Api:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._limits: dict[str, Limit | None] = {}

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        for routes in (
            OrganizationRoutes,
            PeopleRoutes,
            CallingRoutes,
            AnswerSettingsRoutes,
            PagingRoutes,
            MeetingRoutes,
            EventRoutes,
        ):
            routes(self._simulation).add_to(app.router)
        tokens = TokenEndpoint(self._simulation)
        LoginRoutes(self._simulation, tokens).add_to(app.router)
        app.router.add_post("/v1/access_token", tokens.answer)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._simulation.log.append(f"{request.method} {request.rel_url}")
        try:
            if request.method == "GET" and request.path not in _PAGES:
                self._admit(request)
                faults = self._simulation.faults_for(request.query.get("orgId"))
                faults.now_s = self._simulation.now_s
                if fault := faults.next(str(request.rel_url)):
                    return await fail(fault, request, handler, self._simulation.slow_s)
            return await handler(request)
        except RefusedError as refusal:
            return refusal.response
        except web.HTTPNotFound:
            return error(404, MESSAGES["404"])

    def _admit(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._simulation.tokens:
            raise RefusedError(error(401, MESSAGES["401"]))
        limit = self._limit(request.query.get("orgId", self._simulation.organization.org_id))
        if limit and (wait_s := limit.take()) > 0:
            headers = {"Retry-After": str(max(1, math.ceil(wait_s)))}
            raise RefusedError(error(429, "Too many requests.", headers=headers))

    def _limit(self, org_id: str) -> Limit | None:
        if org_id not in self._limits:
            self._limits[org_id] = self._simulation.make_limit()
        return self._limits[org_id]
