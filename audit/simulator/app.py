"""The API over real HTTP: routes, tokens, paging, limits and faults."""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from audit.simulator.answers import FAULTY_ANSWERS, MESSAGES, cut_off, error
from audit.simulator.faults import Faults
from audit.simulator.limit import FixedWindow, Limit, LimitKind, TokenBucket
from audit.simulator.organization import Organization

#: Tokens that the simulator takes, with their scopes.
ADMIN_TOKEN = "simulated-admin-token"  # noqa: S105
UNSCOPED_TOKEN = "simulated-token-without-scopes"  # noqa: S105
_ADMIN_SCOPES = frozenset(
    {"spark-admin:workspaces_read", "spark-admin:locations_read", "spark-admin:organizations_read", "spark:people_read"}
)
_MAX_PAGE = 1000
_DEFAULT_PAGE = 100

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Simulation:
    """What a simulated API does.

    Attributes:
        organization: what there is to read.
        faults: what goes wrong.
        rate_limit_per_s: requests a second that are let through; None for all.
        limit_kind: `bucket` (refills steadily, a second's worth of burst) or `window` (a count a second).
        max_page: items of a page at most, whatever `max` asks for.
        slow_s: how late a `slow` answer comes.
        tokens: access tokens that are taken, with their scopes.
        now_s: the clock of the rate limit.
        log: method and path with query of each request, in order.
    """

    organization: Organization = field(default_factory=Organization)
    faults: Faults = field(default_factory=Faults)
    rate_limit_per_s: float | None = None
    limit_kind: LimitKind = "bucket"
    max_page: int = _MAX_PAGE
    slow_s: float = 2.0
    tokens: dict[str, frozenset[str]] = field(
        default_factory=lambda: {ADMIN_TOKEN: _ADMIN_SCOPES, UNSCOPED_TOKEN: frozenset()}
    )
    now_s: Callable[[], float] = time.monotonic
    log: list[str] = field(default_factory=list)

    def make_limit(self) -> Limit | None:
        """The rate limit, if there is one."""
        if self.rate_limit_per_s is None:
            return None
        if self.limit_kind == "window":
            return FixedWindow(self.rate_limit_per_s, 1.0, self.now_s)
        return TokenBucket(self.rate_limit_per_s, max(1.0, self.rate_limit_per_s), self.now_s)


@asynccontextmanager
async def serve(simulation: Simulation, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve a simulation while the block runs.

    Args:
        simulation: what to serve.
        host: a loopback address.
        port: 0 for any that is free.

    Yields:
        The base URL.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(_Api(simulation).app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


class _Api:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._organization = simulation.organization
        self._limit = simulation.make_limit()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/v1/people/me", self._me)
        app.router.add_get("/v1/organizations", self._organizations)
        app.router.add_get("/v1/locations", self._locations)
        app.router.add_get("/v1/workspaces", self._workspaces)
        app.router.add_get("/v1/telephony/config/workspaces/{id}/pushToTalk", self._push_to_talk)
        app.router.add_post("/v1/access_token", self._access_token)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self._simulation.log.append(f"{request.method} {request.rel_url}")
        if request.method == "GET":
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or token not in self._simulation.tokens:
                return error(401, "The request requires a valid access token set in the Authorization request header.")
            if self._limit and (wait_s := self._limit.take()) > 0:
                return error(429, "Too many requests.", headers={"Retry-After": str(max(1, math.ceil(wait_s)))})
            if fault := self._simulation.faults.next(str(request.rel_url)):
                return await self._fail(fault, request, handler)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return error(404, "The requested resource could not be found.")

    async def _fail(self, kind: str, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if kind in FAULTY_ANSWERS:
            return FAULTY_ANSWERS[kind]()
        if kind == "slow":
            await asyncio.sleep(self._simulation.slow_s)
            return await handler(request)
        return await cut_off(request, b'{"items": [' if kind == "truncated" else None)

    async def _me(self, request: web.Request) -> web.Response:
        if refused := self._refuse(request, {"spark:people_read"}):
            return refused
        person = self._organization.member(0)
        return web.json_response(
            {
                "id": person["id"],
                "emails": [person["email"]],
                "displayName": person["displayName"],
                "orgId": self._organization.org_id,
                "type": "person",
            }
        )

    async def _organizations(self, request: web.Request) -> web.Response:
        if refused := self._refuse(request, {"spark-admin:organizations_read"}):
            return refused
        organization = self._organization
        created = "2015-10-18T14:26:16+00:00"
        return web.json_response(
            {"items": [{"id": organization.org_id, "displayName": organization.name, "created": created}]}
        )

    async def _locations(self, request: web.Request) -> web.Response:
        if refused := self._refuse(request, {"spark-admin:locations_read"}):
            return refused
        return self._page(request, len(self._organization.locations), self._organization.locations.__getitem__)

    async def _workspaces(self, request: web.Request) -> web.Response:
        if refused := self._refuse(request, {"spark-admin:workspaces_read"}):
            return refused
        return self._page(request, self._organization.workspaces, self._organization.workspace)

    async def _push_to_talk(self, request: web.Request) -> web.Response:
        if refused := self._refuse(request, {"spark-admin:workspaces_read"}):
            return refused
        index = self._organization.index_of(request.match_info["id"])
        if index is None:
            return error(404, "The requested resource could not be found.")
        match self._organization.refusal(index):
            case 405:
                return error(405, "Invalid Professional Place", code=25409)
            case 404:
                return error(404, f"[Error 4008] User not found: {request.match_info['id']}", code=4008)
        return web.json_response(self._organization.push_to_talk(index))

    async def _access_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        known = ("client_id", "client_secret", "refresh_token")
        if form.get("grant_type") != "refresh_token" or not all(form.get(name) for name in known):
            body = {"error": "invalid_grant", "error_description": "The refresh token provided is expired"}
            return web.json_response(body, status=400)
        token = f"simulated-token-{uuid.uuid4().hex}"
        self._simulation.tokens[token] = _ADMIN_SCOPES
        return web.json_response(
            {
                "access_token": token,
                "expires_in": 1_209_599,
                "refresh_token": str(form["refresh_token"]),
                "refresh_token_expires_in": 7_776_000,
                "token_type": "Bearer",
            }
        )

    def _refuse(self, request: web.Request, any_of: set[str]) -> web.Response | None:
        token = request.headers["Authorization"].partition(" ")[2]
        if not self._simulation.tokens[token] & any_of:
            return error(403, MESSAGES["403"])
        org_id = request.query.get("orgId")
        if org_id is None or org_id == self._organization.org_id:
            return None
        # A bare UUID is no id; an organization that is not ours is none of our business.
        return error(403, MESSAGES["403"]) if org_id.startswith("Y2lzY29zcGFyazov") else error(400, MESSAGES["400"])

    def _page(self, request: web.Request, total: int, item: Callable[[int], Any]) -> web.Response:
        quirks = self._simulation.faults.quirks
        try:
            start = 0 if "no-start" in quirks else int(request.query.get("start", "0"))
            size = min(int(request.query.get("max", str(_DEFAULT_PAGE))), self._simulation.max_page)
        except ValueError:
            return error(400, MESSAGES["400"])
        if quirks & {"empty-page", "empty-body-page"} and start and "resumed" not in request.query:
            link = self._link(request, {"start": str(start), "max": str(size), "resumed": "1"})
            text = "" if "empty-body-page" in quirks else '{"items": []}'
            return web.Response(text=text, content_type="application/json", headers={"Link": link})
        first = start - 1 if "duplicate" in quirks and start else start
        items = [item(index) for index in range(first, min(start + size, total))]
        headers = {}
        if "no-link" not in quirks and (start + size < total or quirks & {"endless", "circle"}):
            following = min(start + size, total) if start + size < total or "endless" in quirks else 0
            headers["Link"] = self._link(request, {"start": str(following), "max": str(size)})
        return web.json_response({"items": items}, headers=headers)

    def _link(self, request: web.Request, page: dict[str, str]) -> str:
        quirks = self._simulation.faults.quirks
        query = page | (
            {"orgId": request.query["orgId"]} if "orgId" in request.query and "lost-org" not in quirks else {}
        )
        if "max-null" in quirks:
            query["max"] = "null"
        text = urlencode(query) + ("&before" if "valueless" in quirks else "")
        origin = "https://webexapis.example.net" if "foreign-link" in quirks else f"http://{request.host}"
        return f'<{origin}{request.path}?{text}>;{"" if "no-blank" in quirks else " "}rel="next"'
