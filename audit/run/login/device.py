"""Signs in with a browser on another device (RFC 8628): a code to enter there, and polls meanwhile."""

import logging
import math
from collections.abc import Awaitable, Callable

from audit.errors import RefusedError, StoppedError
from audit.run.login.desk import Desk
from audit.text import count_of
from audit.webex.device import (
    GRANT_TYPE,
    SLOW_DOWN_S,
    DeviceCode,
    Ended,
    Pending,
    judge_device_code,
    judge_poll,
)
from audit.webex.grant import Grant, Refusal, Trouble

log = logging.getLogger(__name__)

#: Where the page of Webex that takes a device code sends the browser, by region ("Login with Webex").
HELPER_URIS = tuple(
    f"https://oauth-helper-{region}.wbx2.com/helperservice/v1/actions/device/callback" for region in "arkd"
)


async def on_device(desk: Desk, show: Callable[[DeviceCode], Awaitable[None]]) -> None:
    """Sign in with a browser on another device (RFC 8628).

    Args:
        desk: asks and stores.
        show: tells the person which code to enter where.

    Raises:
        AuditError: as `log_in`.
    """
    app, clock = desk.app, desk.clock
    endpoint = app.endpoint("/device/authorize", desk.session, clock)
    form = {"client_id": app.client_id, "scope": " ".join(app.scopes)}
    code = await endpoint.post(form, judge_device_code)
    if isinstance(code, Refusal):
        raise RefusedError(
            f"no device code ({code.message}): check the client id, its scopes, and its redirect URIs: "
            f"{' '.join(HELPER_URIS)}"
        )
    if isinstance(code, Trouble):
        raise StoppedError(f"{endpoint.url} gives no device code: {code.message}")
    await show(code)
    await _poll(desk, code)


async def _poll(desk: Desk, code: DeviceCode) -> None:
    app, clock = desk.app, desk.clock
    endpoint = app.endpoint("/device/token", desk.session, clock)
    form = {"grant_type": GRANT_TYPE, "device_code": code.device_code, "client_id": app.client_id}
    until_s, interval_s = clock.monotonic_s() + code.lifetime_s, code.interval_s
    while True:
        wait_s = max(interval_s, endpoint.not_before_s - clock.monotonic_s())
        if clock.monotonic_s() + wait_s > until_s:
            raise StoppedError(_expired(code))
        await clock.sleep(wait_s)
        match await desk.ask(endpoint, form, judge_poll, app.authorization):
            case Grant():
                return
            case Pending(is_slow=is_slow):
                interval_s += SLOW_DOWN_S if is_slow else 0.0
            case Ended(is_denied=True):
                raise RefusedError("access was denied on the other device: nothing was granted")
            case Ended():
                raise StoppedError(_expired(code))
            case Refusal() as refusal:
                raise app.refused(refusal)
            case Trouble() as trouble:
                if not trouble.is_retryable:
                    raise StoppedError(f"{endpoint.url} gives no access token: {trouble.message}")
                log.debug("no access token from %s: %s", endpoint.url, trouble.message)


def _expired(code: DeviceCode) -> str:
    minutes = math.ceil(code.lifetime_s / 60)
    return f"the code has expired: nobody has entered it within {count_of(minutes, 'minute')}: try again"
