"""How the Webex API can end a run, by meaning."""

from audit.errors import Reach, RefusedError, StoppedError


class TokenRefusedError(RefusedError):
    """The token itself is refused (401): it is not used for any further request."""

    reach = Reach.RUN


class ScopeError(RefusedError):
    """The token is good, but may not read this (403)."""


class NotAcceptedError(ScopeError):
    """The API refuses the token for this request (401), and accepts it for others."""


def needed(scope: str) -> str:
    """The sentence that names the scope which a token lacks."""
    role = " and an administrator role" if "admin" in scope else ""
    return f"it needs the scope {scope}{role}"


class UnansweredError(StoppedError):
    """A request that a run can't do without was not answered, despite retries."""

    reach = Reach.KIND


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
