"""The errors for answers that a run can't do without."""

from audit.outcome import Outcome
from audit.text import count_of
from audit.webex.answer import Answer
from audit.webex.errors import NotAcceptedError, NotListedError, ScopeError, UnansweredError, needed


def error_for(
    answer: Answer, path: str, scope: str, base_url: str, organization: str | None
) -> ScopeError | UnansweredError:
    """The error for an answer that a run can't do without.

    Args:
        answer: the answer.
        path: the path of the request.
        scope: the scope that the request needs.
        base_url: the API.
        organization: the name of the organization, for messages; None for requests without one.
    """
    if answer.status == 401 and answer.outcome is Outcome.FORBIDDEN:
        subject = f" of organization {organization}" if organization else ""
        return NotAcceptedError(
            f"the API refuses the token (401) for {path}{subject}, though it accepts it elsewhere: the organization "
            "may be suspended, or no longer managed with this token"
        ).saying(answer.message)
    if answer.outcome is Outcome.FORBIDDEN:
        causes = needed(scope, is_calling=path.startswith("/telephony/config/"))
        return ScopeError(f"the token may not read {path} (403): {causes}").saying(answer.message)
    tries = count_of(answer.attempts, "try", "tries")
    if answer.status is None:
        return UnansweredError(
            f"{base_url} does not answer ({tries}): {answer.message}; check the network and webex.base_url"
        )
    kind = NotListedError if answer.outcome in (Outcome.NOT_FOUND, Outcome.BAD_REQUEST) else UnansweredError
    return kind(f"{path} can't be read: HTTP {answer.status} after {tries}: {answer.message}")
