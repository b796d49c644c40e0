"""Turns the readings of a batch into the rows of its tables."""

import pyarrow as pa
import pyarrow.compute as pc

from audit.crawl.batches import Batch
from audit.crawl.reader import Reading
from audit.datasets import SUBJECT_SCHEMA, Dataset
from audit.datasets.answers import read_answers
from audit.outcome import Outcome
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA


def flatten(dataset: Dataset, org_id: str, batch: Batch) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Turn the readings of a batch into rows.

    Args:
        dataset: what was read.
        org_id: UUID of the organization.
        batch: a batch in which each entity has a reading, or a row in the earlier snapshot.

    Returns:
        The tables of the dataset and `coverage`, in the order of the inventory; and how often each field occurred
        that the dataset does not know.
    """
    places = [(position, reading) for position, readings in enumerate(batch.readings) for reading in readings]
    answered = [index for index, (_, reading) in enumerate(places) if reading.answer.outcome is Outcome.OK]
    answers = read_answers([places[index][1].answer.body for index in answered], dataset.answer, dataset.required)
    defects = {answered[position]: defect for position, defect in answers.defects.items()}
    kept = [places[answered[position]] for position in answers.positions]
    tables = dataset.flatten(_subject(org_id, batch.inventory, kept), answers.table)
    tables[COVERAGE] = _coverage(dataset.name, _subject(org_id, batch.inventory, places), places, defects)
    if batch.earlier:
        tables = {name: _merged(table, batch.earlier[name]) for name, table in tables.items()}
    return tables, dict(answers.unknown_fields)


def _subject(org_id: str, inventory: pa.Table, places: list[tuple[int, Reading]]) -> pa.Table:
    """The entity of each reading, one row a reading (`SUBJECT_SCHEMA`)."""
    rows = inventory.take(pa.array([position for position, _ in places], pa.int64()))
    site_urls = pa.array([reading.site_url for _, reading in places], pa.string())
    subject = rows.append_column("site_url", site_urls).append_column(
        "org_id", pa.repeat(pa.scalar(org_id), rows.num_rows)
    )
    return subject.select(SUBJECT_SCHEMA.names).cast(SUBJECT_SCHEMA)


def _merged(asked: pa.Table, kept: pa.Table) -> pa.Table:
    """Both in the order of the inventory; the sort is stable, so the rows of an entity keep their order."""
    both = pa.concat_tables([asked, kept])
    return both.take(pc.sort_indices(both["entity_id"]))


def _coverage(dataset: str, subject: pa.Table, places: list[tuple[int, Reading]], defects: dict[int, str]) -> pa.Table:
    """The coverage rows; a reading with a defect, by its place, is `invalid_response`."""
    answers = [reading.answer for _, reading in places]
    outcomes = [Outcome.INVALID_RESPONSE if place in defects else each.outcome for place, each in enumerate(answers)]
    values = {
        "dataset": [dataset] * len(answers),
        "outcome": [outcome.value for outcome in outcomes],
        "http_status": [answer.status for answer in answers],
        "error_message": [defects.get(place, answer.message) for place, answer in enumerate(answers)],
        "tracking_id": [answer.tracking_id for answer in answers],
        "attempts": [answer.attempts for answer in answers],
        "fetched_at": [answer.fetched_at for answer in answers],
    }
    columns = [
        pa.array(values[field.name], field.type) if field.name in values else subject[field.name]
        for field in COVERAGE_SCHEMA
    ]
    return pa.table(columns, schema=COVERAGE_SCHEMA)
