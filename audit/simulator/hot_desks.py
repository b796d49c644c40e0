"""Workspaces where people only hot desk: they have no call settings, and the API says so in several ways."""

from audit.simulator.access import RefusedError
from audit.simulator.answers import MESSAGES, error
from audit.simulator.seed import Json

_EVERY = 4
_PLACE = "Invalid Professional Place"
#: By quirk, status and message of the answer for the settings of such a workspace.
_ANSWERS = {
    "hot-desk-only": (405, _PLACE),
    "hot-desk-405": (405, "Method not allowed."),
    "hot-desk-text": (405, _PLACE),
    "hot-desk-400": (400, MESSAGES["400"]),
    "hot-desk-403": (403, MESSAGES["403"]),
    "hot-desk-404": (404, MESSAGES["404"]),
}


def is_hot_desk(index: int, quirks: frozenset[str]) -> bool:
    """Whether people only hot desk in the workspace with this index."""
    return index % _EVERY == 1 and not quirks.isdisjoint(_ANSWERS)


def as_hot_desk(item: Json, quirks: frozenset[str]) -> Json:
    """An item of `GET /workspaces` as that of such a workspace; with `hot-desk-only`, the listing leaves no doubt."""
    calling: Json = {"type": "webexCalling"}
    if "hot-desk-only" in quirks:
        calling["webexCalling"] = {"licenses": [], "locationId": item.get("locationId")}
    return item | {"hotdeskingStatus": "on", "calling": calling}


def refused_hot_desk(quirks: frozenset[str]) -> RefusedError:
    """The refusal to read the settings of such a workspace."""
    status, message = next(answer for quirk, answer in _ANSWERS.items() if quirk in quirks)
    return RefusedError(error(status, message))
