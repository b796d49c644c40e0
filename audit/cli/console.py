"""Log lines on standard error, as text or as JSON."""

import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from audit.errors import said_in
from audit.redaction import Record, redact
from audit.text import printable, printable_json

if TYPE_CHECKING:
    from audit.config import LogFormat

log = logging.getLogger(__name__)

Verbosity = Literal["quiet", "normal", "verbose"]
_LEVELS = {"quiet": logging.WARNING, "normal": logging.INFO, "verbose": logging.DEBUG}
#: How many sentences are remembered, so that each is shown once.
_MOST_SAID = 1000
#: Identifies the lines of a process in a log that several processes share.
_RUN_ID = os.urandom(4).hex()


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import msgspec

        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "run": _RUN_ID,
            "message": _encodable(record.getMessage()),
        }
        entry |= {name: _shown(getattr(record, name)) for name in ("entity_id", "tracking_id") if hasattr(record, name)}
        if record.exc_info:
            entry["traceback"] = _encodable(record.exc_text or self.formatException(record.exc_info))
        return printable_json(msgspec.json.encode(entry).decode())


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        trace = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        # Indented, so that no text of an exception looks like a line of ours.
        lines = (f"  {printable(line)}" for line in trace.split("\n") if trace)
        return "\n".join([f"webex-audit: {level}{printable(record.getMessage())}", *lines])


def _encodable(text: str) -> str:
    return redact(text).encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str | None:
    return None if value is None else _encodable(str(value))


class _StderrHandler(logging.Handler):
    """Writes to the current `sys.stderr`, which a progress bar replaces. Survives a closed pipe: output is dropped.

    After the line of an error come the API's own words, once: an API says the same long sentence of many things. A line
    that is marked as `is_once`, too: a command reads some things several times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        once = getattr(record, "said", None) or (record.getMessage() if getattr(record, "is_once", False) else None)
        if once and not self._is_new(once):
            return
        if sys.stderr:
            # The formatters escape what they show, so a text loses its secrets here, whatever it was put together from.
            with suppress(OSError):
                sys.stderr.write(f"{redact(self.format(record))}\n")
                sys.stderr.flush()
        for said in said_in(record.args):
            if len(self._said) < _MOST_SAID and self._is_new(said):
                log.debug("the API says: %s", said)

    def _is_new(self, text: str) -> bool:
        if text in self._said:
            return False
        if len(self._said) < _MOST_SAID:
            self._said.add(text)
        return True


def set_up_logging(log_format: "LogFormat", verbosity: Verbosity) -> None:
    """Send log records to standard error."""
    handler = _StderrHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.setLogRecordFactory(Record)
    logging.captureWarnings(True)
    logging.getLogger("audit").setLevel(_LEVELS[verbosity])


def early_log_format() -> "LogFormat":
    """The log format of the environment, for errors before the settings are read."""
    return "json" if os.environ.get("WEBEX_AUDIT_LOG_FORMAT") == "json" else "text"
