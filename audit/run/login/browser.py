"""Signs in with a browser on this machine (RFC 8252): authorization code, PKCE, loopback."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from audit.errors import RefusedError, StoppedError
from audit.run.login.desk import Desk
from audit.text import count_of
from audit.webex.authorization import Proof, authorize_url, new_proof, new_state
from audit.webex.grant import Grant, Refusal, judge_grant
from audit.webex.redirect import Code, Denied, Redirect

log = logging.getLogger(__name__)

#: How long a person may take to sign in, with a second factor and an administrator's consent.
_PATIENCE_S = 600.0
_TRIES = 4
_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 60.0
_DENIALS = {
    "access_denied": "access was denied in the browser: nothing was granted",
    "invalid_scope": "the integration is not registered with all of these scopes: add them at developer.webex.com",
    "temporarily_unavailable": "Webex is not available: try again later",
    "server_error": "Webex could not sign you in: try again later",
}


async def in_browser(desk: Desk, show: Callable[[str], Awaitable[None]]) -> None:
    """Sign in with a browser on this machine (RFC 8252).

    Args:
        desk: asks and stores.
        show: opens the page of this URL.

    Raises:
        AuditError: as `log_in`.
    """
    state, proof = new_state(), new_proof()
    redirect = Redirect(desk.app.port, state)
    async with redirect.listening():
        app = desk.app
        await show(authorize_url(app.base_url, app.client_id, redirect.uri, app.scopes, state, proof))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                answer = await redirect.answer()
        except TimeoutError:
            raise StoppedError(
                f"nobody has signed in within {_PATIENCE_S / 60:.0f} minutes: try again; if the page showed an error, "
                f"check that the integration has the redirect URI {redirect.uri} and the scopes {' '.join(app.scopes)}"
            ) from None
    if isinstance(answer, Denied):
        raise RefusedError(_DENIALS.get(answer.code, f"Webex has refused ({answer.code or 'for no known reason'})"))
    await _redeem(desk, answer, redirect.uri, proof)


async def _redeem(desk: Desk, code: Code, redirect_uri: str, proof: Proof) -> None:
    """Exchange a code for a grant. A code is good for one use, so only what did not arrive is sent again."""
    endpoint = desk.app.endpoint("/access_token", desk.session, desk.clock)
    form = {
        "grant_type": "authorization_code",
        **desk.app.form,
        "code": code.text,
        "redirect_uri": redirect_uri,
        "code_verifier": proof.verifier,
    }
    for tries in range(1, _TRIES + 1):
        answer = await desk.ask(endpoint, form, judge_grant)
        if isinstance(answer, Grant):
            return
        if isinstance(answer, Refusal):
            raise desk.app.refused(answer)
        if tries == _TRIES or answer.refresh_token or not answer.is_retryable:
            raise StoppedError(
                f"{endpoint.url} gives no access token ({count_of(tries, 'try', 'tries')}); the last error: "
                f"{answer.message}; if it was granted meanwhile, it is lost: try again"
            )
        log.debug("no access token from %s: %s", endpoint.url, answer.message)
        wait_s = endpoint.not_before_s - desk.clock.monotonic_s()
        await desk.clock.sleep(min(max(_PAUSE_S, wait_s), _LONGEST_PAUSE_S))
