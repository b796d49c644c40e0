"""Reports from a worker to the driver: progress and log lines, a few times a second."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from audit.crawl.progress import Progress
from audit.errors import said_in
from audit.outcome import Outcome
from audit.redaction import Record, redact
from audit.text import count_of
from audit.untrusted.decoding import prepared

#: Lines of one report; further lines are only counted.
_MOST_LINES = 1000
_EXTRAS = ("entity_id", "tracking_id")


def topic_of(snapshot_id: str) -> str:
    """The topic of Dask events for the reports of a run."""
    return f"webex-audit-{snapshot_id}"


class Line(msgspec.Struct, frozen=True):
    """A log line of a worker."""

    logger: str
    level: int
    message: str
    extra: dict[str, str | None]


@prepared
class Report(msgspec.Struct):
    """The progress of an attempt at an organization, counted from its beginning."""

    org_id: str
    name: str = ""
    entities: int = 0
    done: int = 0
    requests: int = 0
    throttled: int = 0
    lines: list[Line] = []


class Reporter(Progress):
    """Collects progress and log lines of an organization for the next report. The side of the worker.

    Args:
        org_id: UUID of the organization.
        send: sends a report.
    """

    def __init__(self, org_id: str, send: Callable[[Any], None]) -> None:
        self._send = send
        self._report = Report(org_id)
        self._is_news = False
        self._left_out = 0

    def on_inventory(self, entities: int, of: str, dataset: str | None = None) -> None:  # noqa: ARG002
        """`entities` more entities are to be crawled."""
        self._report.name = of
        self._report.entities += entities
        self._is_news = True

    def on_resumed(self, entities: int) -> None:
        """`entities` entities are done already."""
        self._report.done += entities
        self._is_news = True

    def on_answer(self, outcome: Outcome) -> None:  # noqa: ARG002
        """One more entity is done."""
        self._report.done += 1
        self._is_news = True

    def on_requests(self, total: int, throttled: int) -> None:
        """The requests made so far."""
        self._report.requests, self._report.throttled = total, throttled
        self._is_news = True

    def on_line(self, line: Line) -> None:
        """Add a log line to the next report."""
        if len(self._report.lines) < _MOST_LINES:
            self._report.lines.append(line)
        else:
            self._left_out += 1
        self._is_news = True

    def flush(self) -> None:
        """Send a report if there is news."""
        if self._left_out:
            message = f"{count_of(self._left_out, 'more log line was', 'more log lines were')} left out"
            self._report.lines.append(Line("audit.run.cluster", logging.WARNING, message, {}))
            self._left_out = 0
        if self._is_news:
            self._is_news = False
            report, self._report.lines = msgspec.to_builtins(self._report), []
            self._send(report)


_REPORTER: ContextVar[Reporter | None] = ContextVar("reporter", default=None)
#: The reporters of this process; a thread outside an event loop has no context and may use any of them.
_LIVE: list[Reporter] = []


class _Forwarder(logging.Handler):
    """Passes the log lines of an attempt to its reporter."""

    def emit(self, record: logging.LogRecord) -> None:
        if reporter := _REPORTER.get() or next(iter(_LIVE), None):
            extra: dict[str, str | None] = {
                name: redact(str(getattr(record, name))) for name in _EXTRAS if getattr(record, name, None)
            }
            reporter.on_line(Line(record.name, record.levelno, redact(record.getMessage()), extra))
            if record.levelno > logging.DEBUG:
                for said in said_in(record.args):
                    logging.getLogger(record.name).debug("the API says: %s", said)


_FORWARDER = _Forwarder()


@contextmanager
def forwarding(reporter: Reporter, level: int) -> Iterator[None]:
    """Send log lines of at least this level to the driver while the block runs."""
    # The handlers of Dask, and of Python, write what other libraries log on this machine.
    logging.setLogRecordFactory(Record)
    log = logging.getLogger("audit")
    log.addHandler(_FORWARDER)
    log.setLevel(level)
    token = _REPORTER.set(reporter)
    _LIVE.append(reporter)
    try:
        yield
    finally:
        _LIVE.remove(reporter)
        _REPORTER.reset(token)


class Gathering:
    """Adds up the reports of all workers for the progress and the log of the driver. The side of the driver.

    A second attempt at an organization counts from zero again; what an earlier attempt has reported counts once.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._reports: dict[str, Report] = {}

    def on_event(self, event: tuple[float, Any]) -> None:
        """Process an event of Dask: its time and a report."""
        report = msgspec.convert(event[1], Report)
        before = self._reports.get(report.org_id, Report(report.org_id))
        if report.entities > before.entities:
            self._progress.on_inventory(report.entities - before.entities, report.name)
        for _ in range(report.done - before.done):
            self._progress.on_answer(Outcome.OK)
        report.entities = max(report.entities, before.entities)
        report.done = max(report.done, before.done)
        self._reports[report.org_id] = report
        reports = self._reports.values()
        self._progress.on_requests(sum(each.requests for each in reports), sum(each.throttled for each in reports))
        for line in report.lines:
            logging.getLogger(line.logger).log(line.level, "%s", line.message, extra=line.extra)
