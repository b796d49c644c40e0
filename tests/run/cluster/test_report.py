"""Progress and log lines of workers reach the driver, each of them once."""

import logging
from typing import Any

import pytest

from audit.crawl.progress import Progress
from audit.outcome import Outcome
from audit.run.cluster.report import Gathering, Reporter, forwarding


class Told(Progress):
    """Counts the calls."""

    def __init__(self) -> None:
        self.entities = self.answers = 0
        self.requests = (0, 0)

    def on_inventory(self, entities: int, of: str, dataset: str | None = None) -> None:
        self.entities += entities

    def on_answer(self, outcome: Outcome) -> None:
        self.answers += 1

    def on_requests(self, total: int, throttled: int) -> None:
        self.requests = (total, throttled)


def test_an_organization_that_is_attempted_again_is_told_once() -> None:
    told = Told()
    gathering = Gathering(told)

    def attempt(org_id: str, resumed: int, answers: int, requests: int) -> None:
        reporter = Reporter(org_id, lambda report: gathering.on_event((0.0, report)))
        reporter.on_inventory(100, "Northwind")
        reporter.on_resumed(resumed)
        reporter.flush()
        for _ in range(answers):
            reporter.on_answer(Outcome.OK)
        reporter.on_requests(requests, 1)
        reporter.flush()

    attempt("one", 0, 70, 80)
    attempt("two", 0, 100, 110)
    attempt("one", 60, 40, 45)
    assert (told.entities, told.answers) == (200, 200)
    assert told.requests == (155, 2)


def test_nothing_is_sent_where_nothing_is_new() -> None:
    sent: list[Any] = []
    reporter = Reporter("one", sent.append)
    reporter.flush()
    reporter.on_answer(Outcome.OK)
    reporter.flush()
    reporter.flush()
    assert len(sent) == 1


def test_log_lines_of_a_worker_are_told_by_the_driver(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []
    reporter = Reporter("one", sent.append)
    log = logging.getLogger("audit.crawl.crawl")
    with forwarding(reporter, logging.INFO):
        log.info("%s: forbidden", "Lobby", extra={"entity_id": "x", "tracking_id": "t"})
        log.debug("again")
    log.info("of nobody")
    reporter.flush()
    caplog.clear()
    Gathering(Progress()).on_event((0.0, sent[0]))
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("audit.crawl.crawl", logging.INFO, "Lobby: forbidden")
    assert (record.entity_id, record.tracking_id) == ("x", "t")  # type: ignore[attr-defined]


def test_a_flood_of_lines_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.run.cluster.report._MOST_LINES", 3)
    sent: list[Any] = []
    reporter = Reporter("one", sent.append)
    with forwarding(reporter, logging.INFO):
        for number in range(5):
            logging.getLogger("audit").info("line %d", number)
    reporter.flush()
    assert [line["message"] for line in sent[0]["lines"]] == [
        "line 0",
        "line 1",
        "line 2",
        "2 more log lines were left out",
    ]
