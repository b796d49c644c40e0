"""What the doctor finds: one check is one line."""

import logging
from typing import Literal

import msgspec

from audit.errors import AuditError
from audit.outcome import Outcome
from audit.webex.answer import Answer

log = logging.getLogger(__name__)


class Check(msgspec.Struct, frozen=True):
    """The result of one check.

    Attributes:
        name: what was checked.
        status: `ok`, `warning` (a run works anyway), or `failed` (a run does not work, or not wholly).
        message: the finding, and what to do about a fault.
        exit_code: the exit code that a run would end with.
        organization: the organization, if there are several.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str
    exit_code: int = 0
    organization: str | None = None


def failed(name: str, error: AuditError, exit_code: int | None = None) -> Check:
    """The check of something that would end a run with this error, or with an exit code other than that of the error.

    The log has the words of the API, as the check holds our own alone.
    """
    if error.said:
        log.debug("%s: the API says: %s", name, error.said, extra={"said": error.said})
    return Check(name, "failed", str(error), exit_code or error.exit_code)


def unnamed(text: str, answer: Answer, scope: str) -> str:
    """The message for names that were not answered; a scope helps only against a refusal.

    Args:
        text: what can't be read.
        answer: the answer.
        scope: the scope that the names need.
    """
    is_refused = answer.outcome is Outcome.FORBIDDEN
    if is_refused:
        log.debug("%s: the API says: %s", text, answer.message, extra={"said": answer.message})
        return f"{text} ({answer.status}): the scope {scope} may add names"
    return f"{text} ({answer.message}): a run leaves names out as long as this lasts"
