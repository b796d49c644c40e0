"""How the Webex API can end a run, by meaning."""

from audit.errors import Reach, RefusedError, StoppedError


class TokenRefusedError(RefusedError):
    """The token itself is refused (401): it is not used for any further request."""

    reach = Reach.RUN


class ScopeError(RefusedError):
    """The token is good, but may not read this (403)."""


class NotAcceptedError(ScopeError):
    """The API refuses the token for this request (401), and accepts it for others."""


def needed(scope: str, *, is_calling: bool = False) -> str:
    """The sentence that names what a token may lack after a 403, which does not say what it is.

    Args:
        scope: the scope that the request needs.
        is_calling: the request is one of the Call Settings API, which has further reasons to refuse.
    """
    role = " and an administrator role" if "admin" in scope else ""
    others = (
        "; if it has these, a Webex Calling license may be missing, or an administrator may have restricted access to "
        "the Call Settings API in Control Hub"
    )
    return f"it needs the scope {scope}{role}{others if is_calling else ''}"


class UnansweredError(StoppedError):
    """A request that a run can't do without was not answered, despite retries."""

    reach = Reach.KIND


class PageTooLongError(UnansweredError):
    """A page of a listing holds more than is read."""


class OutageError(StoppedError):
    """An organization did not answer during the longest outage that a run waits out."""


class ApiGoneError(OutageError):
    """Nothing of the API answered during the longest outage that a run waits out."""

    reach = Reach.RUN


class ForeignLinkError(StoppedError):
    """A next link leads to an origin other than the token's."""

    reach = Reach.KIND


class NotListedError(UnansweredError):
    """The answer to a listing is an error that no retry changes (4xx)."""
