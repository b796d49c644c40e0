"""The answers of the token endpoint as pure functions (RFC 6749 sections 5.1 and 5.2).

A refusal ends a run, so it is believed only from JSON: `error` of RFC 6749, or `message`, `errors` or `trackingId` of
the API. Whatever else is not a grant, such as a page of a firewall, may pass.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from audit.errors import UsageError
from audit.outcome import Outcome
from audit.redaction import learn
from audit.untrusted.decoding import UndecodableError, json_of
from audit.webex.body import read_error
from audit.webex.tokens import Token, checked_token
from audit.webex.verdict import judge

#: A longer lifetime is a defect, or one that no run reaches the end of.
_MAX_LIFETIME_S = 366 * 86_400.0
#: Outcomes of statuses that pass, although the API itself sends them (408, 423, 425, 429, 499).
_PASSING = frozenset({Outcome.TIMEOUT, Outcome.THROTTLED, Outcome.SERVER_ERROR})
#: A code of RFC 6749, or an extension of it (section 8.5); differs from the name of a status, such as `Forbidden`.
_ERROR = re.compile(r"[a-z][a-z0-9]*([_.-][a-z0-9]+)+")
#: Codes that say that the server is at fault (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5).
_PASSING_ERRORS = frozenset({"server_error", "temporarily_unavailable", "slow_down"})
_APP_ERRORS = frozenset({"invalid_client", "unauthorized_client"})
_MAX_MESSAGE = 500


class Grant(msgspec.Struct, frozen=True):
    """New tokens.

    Attributes:
        access_token: the access token.
        refresh_token: the refresh token to use from now on; None to go on with the current one.
        lifetime_s: the lifetime of the access token in seconds; None if the answer says nothing usable.
        refresh_lifetime_s: that of the refresh token.
        scopes: the scopes that were granted; None if the answer does not say.
    """

    access_token: Token
    refresh_token: str | None = None
    lifetime_s: float | None = None
    refresh_lifetime_s: float | None = None
    scopes: frozenset[str] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The endpoint refuses what was sent.

    Attributes:
        message: the reason, in the endpoint's words. It may quote a secret.
        is_of_app: the client id or secret is refused, not the refresh token.
    """

    message: str
    is_of_app: bool = False


class Trouble(msgspec.Struct, frozen=True):
    """No usable answer.

    Attributes:
        message: what came instead. It may quote a secret.
        is_retryable: the same request may succeed later.
        is_throttled: the endpoint asked to come back later (429, 423).
        refresh_token: a new refresh token that came without a usable access token.
    """

    message: str
    is_retryable: bool = True
    is_throttled: bool = False
    refresh_token: str | None = None


def judge_grant(status: int, headers: Mapping[str, str], body: bytes) -> Grant | Refusal | Trouble:
    """The meaning of an answer of the token endpoint.

    Args:
        status: the HTTP status.
        headers: the headers, with names in upper or lower case.
        body: the body.
    """
    content = object_of(body)
    if status // 100 == 2 and "access_token" in content:
        return _granted(content)
    verdict = judge(status, headers, body)
    code = _code_of(content)
    is_refusal = status in (400, 401, 403) and not verdict.is_retryable
    # Some servers send an error of RFC 6749 with status 200.
    if is_refusal or (code and (status == 200 or (status // 100 == 4 and verdict.outcome not in _PASSING))):
        said = read_error(body).message
        message = f"{status}: {': '.join(filter(None, [code, said])) or 'no reason given'}"[:_MAX_MESSAGE]
        return Refusal(message, is_of_app=code in _APP_ERRORS)
    message = verdict.message or "no access token in it"
    if not message.startswith(f"HTTP {status}"):
        message = f"HTTP {status}: {message}"
    is_retryable = verdict.is_retryable or status == 200
    return Trouble(message, is_retryable=is_retryable, is_throttled=verdict.outcome is Outcome.THROTTLED)


def object_of(body: bytes) -> dict[str, Any]:
    """The object in a body; empty if there is none."""
    try:
        content = json_of(body)
    except UndecodableError:
        return {}
    return content if isinstance(content, dict) else {}


def _code_of(content: Mapping[str, Any]) -> str | None:
    """The code of a refusal by RFC 6749; None without one."""
    code = content.get("error")
    is_code = isinstance(code, str) and _ERROR.fullmatch(code) and code not in _PASSING_ERRORS
    return code if is_code else None


def _granted(content: Mapping[str, Any]) -> Grant | Trouble:
    refresh_token = _word(content.get("refresh_token"))
    learn(refresh_token, is_echoed=True)
    try:
        token = checked_token(_word(content["access_token"]) or "", "the answer")
    except UsageError as error:
        return Trouble(str(error), refresh_token=refresh_token)
    return Grant(
        token,
        refresh_token,
        lifetime_s_of(content.get("expires_in")),
        lifetime_s_of(content.get("refresh_token_expires_in")),
        _scopes_of(content.get("scope")),
    )


def _scopes_of(value: object) -> frozenset[str] | None:
    """The scopes in a list that is separated by blanks (RFC 6749 section 3.3)."""
    return frozenset(value.split()) if isinstance(value, str) and value.strip() else None


def _word(value: object) -> str | None:
    """A token without blanks around it; None if the value can't be a token (RFC 6749 appendix A)."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text and text.isascii() and text.isprintable() else None


def lifetime_s_of(value: object) -> float | None:
    """The lifetime in seconds that `expires_in` means, as a number or a text; None if it is not usable."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        lifetime_s = float(value)
    except (ValueError, OverflowError):
        return None
    return lifetime_s if 0 < lifetime_s <= _MAX_LIFETIME_S else None
