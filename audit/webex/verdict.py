"""The meaning of an answer of the Webex API, by its status, its headers and its body.

`RULES` is the whole of it; docs/api-behavior.md shows the same table. A status is believed only if it is the API's
own: a gateway, a proxy or a portal on the way also answers with 404, and that says nothing about a room.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from audit.outcome import Outcome
from audit.redaction import redact
from audit.webex.body import ApiError, clean, kind_of, read_body, read_error, read_mere_error, without_numbers

_NOT_A_CALLING_USER = 4008
_NOT_A_PROFESSIONAL_PLACE = 25409
_NOT_PROFESSIONAL = "invalid professional place"
_MAX_ID = 200
#: Matches ``ROUTERGW_<uuid>`` and ``<32 hexadecimal digits>_<milliseconds>``, for example.
_TRACKING_ID = re.compile(r"[A-Za-z_-]*[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(_[0-9]+)*")


class Verdict(msgspec.Struct, frozen=True):
    """The meaning of an answer of the API. An outcome `ok` comes with the body, as `read_body` gives it."""

    outcome: Outcome
    is_retryable: bool = False
    message: str | None = None
    tracking_id: str | None = None
    body: bytes = b""


class Body(StrEnum):
    """What the body of an answer must be for a rule to apply; the text is for the documentation."""

    OBJECT = "a JSON object"
    ERROR = "the API's JSON of an error, and nothing else"
    OWN = "the API's JSON of an error"
    NO_PLACE = "the API's JSON of an error, with code 25409 or the text “Invalid Professional Place”"
    NO_USER = "the API's JSON of an error, with code 4008"
    ANY = "any"


class Rule(msgspec.Struct, frozen=True):
    """What a status means.

    Attributes:
        statuses: the statuses, from the first to the last.
        body: what the body must be.
        outcome: the outcome, if no retry changes the answer.
        is_retryable: the request is repeated.
        reason: why, and where that is written.
    """

    statuses: tuple[tuple[int, int], ...]
    body: Body
    outcome: Outcome
    is_retryable: bool
    reason: str


def _rule(statuses: str, body: Body, outcome: Outcome, reason: str, *, is_retryable: bool = False) -> Rule:
    """A rule for statuses such as ``"404 410 500-599"``."""
    ends = [text.partition("-") for text in statuses.split()]
    return Rule(tuple((int(first), int(last or first)) for first, _, last in ends), body, outcome, is_retryable, reason)


#: The first rule that applies counts.
RULES = (
    _rule("200", Body.ERROR, Outcome.INVALID_RESPONSE, "Not an answer to the question. The API's words are kept.",
          is_retryable=True),
    _rule("200", Body.OBJECT, Outcome.OK, "The settings, or a page of a listing."),
    _rule("200-299", Body.ANY, Outcome.INVALID_RESPONSE,
          "Empty, a page to sign in, cut short: reads give 200 and an object (official document).",
          is_retryable=True),
    _rule("300-399", Body.ANY, Outcome.INVALID_RESPONSE,
          "The API redirects no read, but portals and gateways do. Never followed, because the token would go along.",
          is_retryable=True),
    _rule("401", Body.OWN, Outcome.FORBIDDEN,
          "The token is renewed once; what the API then refuses, though it accepts the token elsewhere, is forbidden."),
    _rule("403", Body.OWN, Outcome.FORBIDDEN,
          "A scope, role or license is missing, or Control Hub restricts the API (“User Call Settings”)."),
    _rule("404", Body.NO_USER, Outcome.NOT_LICENSED, "“User not found” of BroadWorks: not a user of Webex Calling."),
    _rule("405", Body.NO_PLACE, Outcome.NOT_LICENSED, "The workspace has no professional license (observed)."),
    _rule("404 410", Body.OWN, Outcome.NOT_FOUND, "Deleted since it was listed."),
    _rule("408 499", Body.ANY, Outcome.TIMEOUT, "A gateway did not wait long enough (RFC 9110, 15.5.9; nginx).",
          is_retryable=True),
    _rule("423 429", Body.ANY, Outcome.THROTTLED, "Come back later (official document; RFC 6585).", is_retryable=True),
    _rule("425", Body.ANY, Outcome.SERVER_ERROR, "Too early for a request that could be replayed (RFC 8470).",
          is_retryable=True),
    _rule("400-499", Body.OWN, Outcome.BAD_REQUEST, "No retry changes it."),
    _rule("400-499", Body.ANY, Outcome.INVALID_RESPONSE, "A gateway's or a proxy's, which says nothing of the entity.",
          is_retryable=True),
    _rule("501 505", Body.ANY, Outcome.SERVER_ERROR, "A server that will never do this (RFC 9110, 15.6.2 and 15.6.6)."),
    _rule("500-599", Body.ANY, Outcome.SERVER_ERROR, "May pass, also those without a standard, such as 520.",
          is_retryable=True),
    _rule("0-999", Body.ANY, Outcome.INVALID_RESPONSE, "Not a final status of HTTP.", is_retryable=True),
)  # fmt: skip


def judge(status: int, headers: Mapping[str, str], body: bytes, *, has_pins: bool = False) -> Verdict:
    """The meaning of an answer to a read.

    Args:
        status: the HTTP status.
        headers: the headers, with names in upper or lower case.
        body: the body.
        has_pins: the body may hold a PIN, so the message loses its numbers.
    """
    tracking_id = _checked_id(headers.get("trackingid"), has_pins=has_pins)
    error, defect = ApiError(), None
    if status == 200:
        try:
            content = read_body(body)
        except ValueError as unreadable:
            defect = str(unreadable)
        else:
            mere = read_mere_error(content)
            if mere is None:
                return Verdict(Outcome.OK, tracking_id=tracking_id, body=content)
            error = mere
    else:
        error = read_error(body)
    rule = _rule_for(status, _bodies(error))
    said = without_numbers(error.message) if error.message and has_pins else error.message
    return Verdict(
        rule.outcome,
        rule.is_retryable,
        defect or (said if said and error.is_own else _foreign(status, body, said)),
        tracking_id or _checked_id(error.tracking_id, has_pins=has_pins),
    )


def _foreign(status: int, body: bytes, said: str | None) -> str:
    what = f"HTTP {status} with {_KINDS.get(kind_of(body), 'a text')} in place of the API's answer"
    return f"{what}: {said}" if said else what


_KINDS = {"empty": "no body", "an HTML page": "an HTML page", "JSON": "JSON of another kind"}


def _rule_for(status: int, bodies: set[Body]) -> Rule:
    return next(
        rule for rule in RULES if rule.body in bodies and any(first <= status <= last for first, last in rule.statuses)
    )


def _bodies(error: ApiError) -> set[Body]:
    if not error.is_own:
        return {Body.ANY}
    bodies = {Body.ANY, Body.OWN, Body.ERROR}
    if _NOT_A_CALLING_USER in error.codes:
        bodies.add(Body.NO_USER)
    if _NOT_A_PROFESSIONAL_PLACE in error.codes or _NOT_PROFESSIONAL in (error.message or "").lower():
        bodies.add(Body.NO_PLACE)
    return bodies


def _checked_id(text: str | None, *, has_pins: bool) -> str | None:
    """A tracking id; if a PIN could stand in its place, only an id of a known form."""
    # Half a secret is not recognized any more, so the cut comes last.
    return clean(redact(text)[:_MAX_ID]) if text and (not has_pins or _TRACKING_ID.fullmatch(text)) else None
