"""What a worker tells the driver while it works: progress and log lines, a few times a second."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from audit.crawl.progress import Progress
from audit.outcome import Outcome

#: Lines of one report; what is beyond is only counted.
_MOST_LINES = 1000
_EXTRAS = ("entity_id", "tracking_id")


def topic_of(snapshot_id: str) -> str:
    """The topic of Dask's events that the reports of a run are sent by."""
    return f"webex-audit-{snapshot_id}"


class Line(msgspec.Struct, frozen=True):
    """A log line of a worker."""

    logger: str
    level: int
    message: str
    extra: dict[str, str | None]


class Report(msgspec.Struct):
    """How far an attempt at an organization is; counts are from its beginning."""

    org_id: str
    name: str = ""
    entities: int = 0
    done: int = 0
    requests: int = 0
    throttled: int = 0
    lines: list[Line] = []


class Reporter(Progress):
    """Gathers what is told of an organization, and sends it when asked to. The worker's side.

    Args:
        org_id: UUID of the organization.
        send: takes a report.
    """

    def __init__(self, org_id: str, send: Callable[[Any], None]) -> None:
        self._send = send
        self._report = Report(org_id)
        self._is_news = False
        self._left_out = 0

    def on_inventory(self, entities: int, of: str) -> None:
        """So many further entities."""
        self._report.name = of
        self._report.entities += entities
        self._is_news = True

    def on_resumed(self, entities: int) -> None:
        """So many are done already."""
        self._report.done += entities
        self._is_news = True

    def on_answer(self, outcome: Outcome) -> None:  # noqa: ARG002
        """One more is done."""
        self._report.done += 1
        self._is_news = True

    def on_requests(self, total: int, throttled: int) -> None:
        """Requests so far."""
        self._report.requests, self._report.throttled = total, throttled
        self._is_news = True

    def on_line(self, line: Line) -> None:
        """A line to log."""
        if len(self._report.lines) < _MOST_LINES:
            self._report.lines.append(line)
        else:
            self._left_out += 1
        self._is_news = True

    def flush(self) -> None:
        """Send what is new."""
        if self._left_out:
            message = f"{self._left_out} further lines are left out"
            self._report.lines.append(Line("audit.run.cluster", logging.WARNING, message, {}))
            self._left_out = 0
        if self._is_news:
            self._is_news = False
            report, self._report.lines = msgspec.to_builtins(self._report), []
            self._send(report)


_REPORTER: ContextVar[Reporter | None] = ContextVar("reporter", default=None)
#: Those of this process; a thread beside an event loop has no context, and may tell any of them.
_LIVE: list[Reporter] = []


class _Forwarder(logging.Handler):
    """Hands the log lines of an attempt to its reporter."""

    def emit(self, record: logging.LogRecord) -> None:
        if reporter := _REPORTER.get() or next(iter(_LIVE), None):
            extra = {name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)}
            reporter.on_line(Line(record.name, record.levelno, record.getMessage(), extra))


_FORWARDER = _Forwarder()


@contextmanager
def forwarding(reporter: Reporter, level: int) -> Iterator[None]:
    """Send the log lines of the block, of this level or above, to the driver."""
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
    """Adds up the reports of all workers, and tells the driver's progress and log. The driver's side.

    An organization that is attempted again begins anew: what was told of it before, is told once.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._reports: dict[str, Report] = {}

    def on_event(self, event: tuple[float, Any]) -> None:
        """Take in an event of Dask: when it was, and a report."""
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
