"""What to sign in with, and for what."""

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from audit.clock import Clock
from audit.config import Login, ScopeSettings, Settings
from audit.errors import RefusedError, UsageError
from audit.run.needs import needs_of
from audit.run.scope import scope_of
from audit.webex.endpoint import Endpoint
from audit.webex.grant import Refusal

#: Names the person who signed in; a run reads the id of its organization with it.
PERSON_SCOPE = "spark:people_read"
_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,99}")


@dataclass(frozen=True)
class App:
    """What to sign in with, and for what.

    Attributes:
        base_url: the API.
        client_id: the id of the integration.
        client_secret: its secret.
        client_secret_file: the file of the secret.
        scopes: what to ask for.
        port: of 127.0.0.1, for the answer of a browser; the integration must have registered its redirect URI.
        timeout_s: seconds for one request.
        ca_file: a CA bundle that replaces the system's.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    client_secret_file: Path
    scopes: tuple[str, ...]
    port: int
    timeout_s: float = 30.0
    ca_file: str | None = None

    @property
    def form(self) -> dict[str, str]:
        """The fields that name the app in a form."""
        return {"client_id": self.client_id, "client_secret": self.client_secret}

    @property
    def authorization(self) -> str:
        """The header that names the app (RFC 7617), for an endpoint that does not take them in the form."""
        return f"Basic {b64encode(f'{self.client_id}:{self.client_secret}'.encode()).decode()}"

    def endpoint(self, path: str, session: aiohttp.ClientSession, clock: Clock) -> Endpoint:
        """An endpoint of the API, below the base URL."""
        endpoint = Endpoint(f"{self.base_url.rstrip('/')}{path}", clock, self.timeout_s)
        endpoint.use(session)
        return endpoint

    def refused(self, refusal: Refusal) -> RefusedError:
        """The error for a grant that was refused."""
        if refusal.is_of_app:
            return RefusedError(
                f"the client id or its secret is refused ({refusal.message}): check the client id, and put the client "
                f"secret of the same integration into {self.client_secret_file}"
            )
        return RefusedError(f"the login is refused ({refusal.message}): try again")


def scopes_for(settings: Settings, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The scopes that a run with these settings needs, as `run --dry-run` lists them, and that of the person's name.

    Args:
        settings: the settings.
        more: further scopes.

    Raises:
        UsageError: the settings contradict each other, or a text can't be a scope.
    """
    for each in more:
        if not _SCOPE.fullmatch(each):
            raise UsageError(f"--scope {each[:100]!r}: expected a scope such as spark-admin:locations_read")
    needs = needs_of(scope_of(settings), has_events=settings.run.admin_events)
    return tuple(sorted({PERSON_SCOPE, *needs, *more}))


def scopes_again(settings: Settings, last: Login) -> tuple[str, ...]:
    """The scopes for a login like the last one: whoever signs in again wants the same runs to go on.

    Args:
        settings: the settings; what they configure is added.
        last: the last login.

    Raises:
        UsageError: the settings contradict each other.
    """
    before = [each for each in (*(last.scopes or ()), *last.missing_scopes) if _SCOPE.fullmatch(each)]
    is_configured = settings.scope != ScopeSettings() or settings.run.admin_events
    return scopes_for(settings, before) if is_configured or not before else tuple(sorted({PERSON_SCOPE, *before}))
