"""How the Webex API can end a run, by meaning."""

from audit.errors import RefusedError, StoppedError


class TokenRefusedError(RefusedError):
    """The token itself is refused (401): nothing more is asked with it."""


class ScopeError(RefusedError):
    """The token is good, but may not read this (403)."""


class NotAcceptedError(ScopeError):
    """The API refuses the token for this (401), and accepts it for something else."""


def needed(scope: str) -> str:
    """The sentence that tells the scope which a token lacks."""
    role = " and an administrator role" if "admin" in scope else ""
    return f"it needs the scope {scope}{role}"


class UnansweredError(StoppedError):
    """What a run can't do without was not answered, retries included."""


class OutageError(StoppedError):
    """An organization did not answer for as long as an outage is waited out."""


class ApiGoneError(OutageError):
    """Nothing of the API answered for as long as an outage is waited out."""


class ForeignLinkError(StoppedError):
    """A next link leads to another origin than the token's."""


class NotListedError(UnansweredError):
    """A listing is answered with an error that no retry changes (4xx)."""
