"""The secrets of the process, and how each text that leaves it loses them."""

from audit.redaction.redactor import (
    PLACEHOLDER,
    Record,
    forget_all,
    learn,
    learn_login,
    redact,
    redact_answer,
)

__all__ = ["PLACEHOLDER", "Record", "forget_all", "learn", "learn_login", "redact", "redact_answer"]
