"""What was asked and what was not answered."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from audit.review.report.rows import fetch, fetch_dicts, time_of
from audit.review.tables import PREVIOUS, table_names
from audit.review.vocabulary import COMPLETE_OUTCOMES

#: The most entities that the report lists; the CSV has all.
MAX_UNANSWERED = 300


@dataclass(frozen=True)
class Unanswered:
    """An entity without a complete answer; the fields are columns of `coverage`."""

    org_id: str
    dataset: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    location_name: str | None
    site_url: str | None
    outcome: str
    error_message: str | None


@dataclass(frozen=True)
class OutcomeCount:
    """The number of entities of a kind with an outcome in a dataset."""

    dataset: str
    entity_type: str
    outcome: str
    entities: int


@dataclass(frozen=True)
class Answers:
    """The answers of a run.

    Attributes:
        counts: number of entities by dataset, kind and outcome.
        total: rows of coverage.
        unanswered_total, unanswered: number of rows without a complete answer, and the first of them.
        first, last: times of the first and the last answer; None if nothing was asked.
    """

    counts: list[OutcomeCount]
    total: int
    unanswered_total: int
    unanswered: list[Unanswered]
    first: datetime | None
    last: datetime | None


_COUNTS = """
SELECT dataset, entity_type, outcome, count(*) AS entities FROM coverage
GROUP BY ALL ORDER BY dataset, entity_type DESC, outcome
"""
_UNANSWERED = """
SELECT org_id, dataset, entity_type, entity_id, entity_name, location_name, site_url, outcome, error_message
FROM coverage WHERE NOT list_contains(getvariable('complete_outcomes'), outcome)
ORDER BY dataset, entity_type DESC, entity_name, org_id, entity_id, site_url LIMIT ?
"""


def find_answers(connection: duckdb.DuckDBPyConnection) -> Answers:
    """Read the answers from `coverage`."""
    if "coverage" not in table_names(connection):
        return Answers([], 0, 0, [], None, None)
    counts = fetch(connection, OutcomeCount, _COUNTS)
    (times,) = fetch_dicts(
        connection, "SELECT min(epoch_ms(fetched_at)) AS first, max(epoch_ms(fetched_at)) AS last FROM coverage"
    )
    return Answers(
        counts=counts,
        total=sum(each.entities for each in counts),
        unanswered_total=sum(each.entities for each in counts if each.outcome not in COMPLETE_OUTCOMES),
        unanswered=fetch(connection, Unanswered, _UNANSWERED, [MAX_UNANSWERED]),
        first=time_of(times["first"]),
        last=time_of(times["last"]),
    )


def find_first_before(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Time of the first answer of the snapshot before: a retried snapshot keeps answers older than its run."""
    if "coverage" not in table_names(connection, PREVIOUS):
        return None
    ((first,),) = connection.execute(f"SELECT min(epoch_ms(fetched_at)) FROM {PREVIOUS}.coverage").fetchall()  # noqa: S608
    return time_of(first)
