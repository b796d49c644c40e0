"""Asks for a grant, and stores it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import aiohttp

from audit.clock import Clock
from audit.config import Login
from audit.errors import AuditError, RefusedError, StoppedError, UsageError
from audit.outcome import Outcome
from audit.run.login.app import App
from audit.run.login.store import LoginStore
from audit.webex import ids, wire
from audit.webex.body import body_object
from audit.webex.connection import connect, open_session
from audit.webex.endpoint import Endpoint, Judge
from audit.webex.grant import Grant, Trouble
from audit.webex.pace import Ceiling, Pace
from audit.webex.renewal import to_its_end
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

log = logging.getLogger(__name__)

_Meaning = TypeVar("_Meaning")

#: How long the name of the person may take: the token is not stored yet.
_NAME_S = 8.0
_LONGEST_SCOPE = 100
_MOST_SCOPES = 200


async def log_in(app: App, store: LoginStore, clock: Clock, way: Callable[["Desk"], Awaitable[None]]) -> Login:
    """Sign in, and store the refresh token.

    Args:
        app: what to sign in with.
        store: where to store the refresh token.
        clock: the time.
        way: `in_browser` or `on_device`.

    Raises:
        UsageError: the place can't be written or holds another login, or another person has signed in.
        RefusedError: the person or the API refuses.
        StoppedError: the API or the person does not answer in time.
        LockedError: another login is under way.
    """
    with store.opened(app.base_url, app.client_id) as earlier:
        async with open_session(app.base_url, 4, app.timeout_s, app.ca_file) as session:
            desk = Desk(app, store, clock, session, earlier)
            await way(desk)
    if desk.login is None:
        raise StoppedError("the login has brought no token: try again")
    return desk.login


class Desk:
    """Asks for a grant, and stores it in the same breath, so that a signal in between loses nothing.

    Attributes:
        login: what was stored; None before.
    """

    def __init__(
        self, app: App, store: LoginStore, clock: Clock, session: aiohttp.ClientSession, earlier: Login | None
    ) -> None:
        self.app = app
        self.clock = clock
        self.session = session
        self.login: Login | None = None
        self._store = store
        self._earlier = earlier

    async def ask(
        self,
        endpoint: Endpoint,
        form: dict[str, str],
        judge: Judge[_Meaning],
        authorization: str | None = None,
    ) -> _Meaning | Trouble:
        """Send a form, and store the grant if one comes."""
        return await to_its_end(self._ask(endpoint, form, judge, authorization))

    async def _ask(
        self, endpoint: Endpoint, form: dict[str, str], judge: Judge[_Meaning], authorization: str | None
    ) -> _Meaning | Trouble:
        answer = await endpoint.post(form, judge, authorization)
        if isinstance(answer, Grant):
            await self._keep(answer)
        return answer

    async def _keep(self, grant: Grant) -> None:
        if grant.refresh_token is None:
            raise RefusedError(
                "Webex has granted no refresh token, so nothing that lasts could be stored: is this the client id of "
                "an integration?"
            )
        login = _described(self.app, self._store, grant, await self._person(grant.access_token), self.clock)
        earlier = self._earlier
        if earlier and earlier.person_id not in (None, login.person_id) and not self._store.replaces:
            signed_in = "another person" if login.person_id else "a person whose name is not known"
            raise UsageError(
                f"{login.person or signed_in} has signed in, but profile {self._store.profile.name} is of "
                f"{earlier.person or 'another person'}, so nothing was stored: sign in as that person, under another "
                "name with --profile, or overwrite it with --replace"
            )
        await self._store.keep(grant.refresh_token, login, self.clock)
        self.login = login

    async def _person(self, token: Token) -> dict[str, Any]:
        """The person of a token, as `GET /people/me` says; empty if it does not."""
        app = self.app
        try:
            async with (
                asyncio.timeout(_NAME_S),
                connect(
                    app.base_url,
                    StaticTokens(token),
                    Pace(self.clock, Ceiling(1)),
                    concurrency=1,
                    timeout_s=_NAME_S,
                    ca_file=app.ca_file,
                    retry=RetryPolicy(attempts=2, throttled_attempts=2, budget=2, stall_s=0.0),
                    clock=self.clock,
                ) as client,
            ):
                answer = await client.get("/people/me")
                if answer.outcome is Outcome.OK:
                    return body_object(answer.body)
                reason = f"GET /people/me: {answer.message or f'HTTP {answer.status}'}"
        except TimeoutError:
            reason = "GET /people/me has no answer"
        except AuditError as error:
            reason = str(error)
        log.warning("who has signed in is not known (%s)", reason)
        return {}


def _described(app: App, store: LoginStore, grant: Grant, person: dict[str, Any], clock: Clock) -> Login:
    now = clock.now()
    scopes = None
    if grant.scopes is not None:
        scopes = sorted(each for each in grant.scopes if len(each) <= _LONGEST_SCOPE)[:_MOST_SCOPES]
    return Login(
        base_url=app.base_url,
        client_id=app.client_id,
        client_secret_file=str(app.client_secret_file),
        refresh_token_file=str(store.token_file),
        port=app.port,
        signed_in_at=now,
        scopes=scopes,
        missing_scopes=[] if grant.scopes is None else sorted({*app.scopes} - grant.scopes),
        refresh_until=now + timedelta(seconds=grant.refresh_lifetime_s) if grant.refresh_lifetime_s else None,
        person=_title_of(person),
        person_id=wire.name(person.get("id")),
        org_id=ids.uuid_of(wire.name(person.get("orgId")) or ""),
    )


def _title_of(person: dict[str, Any]) -> str | None:
    """Display name and email address of a person: `Ann Admin <ann@example.com>`."""
    emails = person.get("emails")
    email = wire.name(emails[0]) if isinstance(emails, list) and emails else None
    return " ".join(filter(None, [wire.name(person.get("displayName")), email and f"<{email}>"])) or None
