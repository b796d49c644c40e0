"""What the doctor finds: one check is one line."""

from typing import Literal

import msgspec

from audit.errors import AuditError


class Check(msgspec.Struct, frozen=True):
    """The result of one check.

    Attributes:
        name: what was checked.
        status: `ok`, `warning` (a run works anyway), or `failed` (a run does not work, or not wholly).
        message: the finding, and what to do about a fault.
        exit_code: the exit code that a run would end with.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str
    exit_code: int = 0


def failed(name: str, error: AuditError) -> Check:
    """The check of something that would end a run with this error."""
    return Check(name, "failed", str(error), error.exit_code)
