"""Turns the readings of a batch into the rows of its tables."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audit.crawl.batches import Batch
from audit.crawl.reader import Reading
from audit.datasets import SUBJECT_SCHEMA, Dataset
from audit.datasets.answers import read_answers
from audit.entity import Entity
from audit.outcome import Outcome
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.untrusted.bounds import ROW_BYTES, ROWS_BYTES, SLICE_BYTES


class Slice(NamedTuple):
    """The rows of successive entities of a batch.

    Attributes:
        tables: those of the dataset, and `coverage`.
        unknown_fields: how often each field occurred that the dataset does not know.
        others: by kind of entity, how many complete answers are from the other path (`Dataset.other_paths`).
    """

    tables: dict[str, pa.Table]
    unknown_fields: dict[str, int]
    others: dict[str, int]


class _Place(NamedTuple):
    """A reading, and its entity's position in the batch."""

    position: int
    reading: Reading


def flatten(dataset: Dataset, org_id: str, batch: Batch) -> Iterator[Slice]:
    """Turn the readings of a batch into rows: mostly one slice, or several if the answers are long.

    Args:
        dataset: what was read.
        org_id: UUID of the organization.
        batch: a batch in which each entity has a reading, or a row in the earlier snapshot.

    Yields:
        The rows of successive entities, in the order of the inventory.
    """
    begin = 0
    for end in _ends(batch):
        yield from _flatten(dataset, org_id, batch, range(begin, end))
        begin = end


def _ends(batch: Batch) -> Iterator[int]:
    """The positions after the last entity of each slice; no slice is longer than its bound, except for one entity."""
    held = 0
    for position, readings in enumerate(batch.readings):
        size = sum(reading.spot.size if reading.spot else len(reading.answer.body) for reading in readings)
        if held and held + size > SLICE_BYTES:
            yield position
            held = 0
        held += size
    yield len(batch.readings)


def _flatten(dataset: Dataset, org_id: str, batch: Batch, positions: range) -> Iterator[Slice]:
    places = [_Place(position, reading) for position in positions for reading in batch.readings[position]]
    answered = [index for index, (_, reading) in enumerate(places) if reading.answer.outcome is Outcome.OK]
    bodies = [batch.body_of(places[index].reading) for index in answered]
    answers = read_answers(bodies, dataset.answer, dataset.required)
    objects = [bodies[position].count(b"{") for position in answers.positions]
    del bodies
    kept = [answered[position] for position in answers.positions]
    costs = _costs([batch.entities[places[index].position] for index in kept], objects, answers.table)
    defects = {answered[position]: defect for position, defect in answers.defects.items()}
    defects |= {kept[row]: _TOO_MANY for row, cost in enumerate(costs) if cost > ROWS_BYTES}
    by_position: Counter[int] = Counter()
    for index, cost in zip(kept, costs, strict=True):
        by_position[places[index].position] += cost if index not in defects else 0
    unknown_fields = dict(answers.unknown_fields)
    elsewhere = [at for at, reading in places if reading.is_other and reading.answer.outcome.is_complete]
    others = dict(Counter(str(batch.entities[at].entity_type) for at in elsewhere))
    for part in _cut(positions, by_position):
        rows = [row for row, index in enumerate(kept) if places[index].position in part and index not in defects]
        read = answers.table if len(rows) == answers.table.num_rows else answers.table.take(pa.array(rows, pa.int64()))
        tables = dataset.flatten(_subject(org_id, batch.inventory, [places[kept[row]] for row in rows]), read)
        asked = {index: place for index, place in enumerate(places) if place.position in part}
        subject = _subject(org_id, batch.inventory, [*asked.values()])
        tables[COVERAGE] = _coverage(dataset.name, subject, asked, defects)
        earlier = _earlier(batch, part)
        if earlier:
            tables = {name: _merged(table, earlier[name]) for name, table in tables.items()}
        yield Slice(tables, unknown_fields, others)
        unknown_fields, others = {}, {}


_TOO_MANY = f"the rows of the answer would have more than {ROWS_BYTES >> 20} MiB"


def _costs(entities: list[Entity], objects: list[int], answers: pa.Table) -> list[int]:
    """The bytes of the rows of each answer, about: each object may be a row, with the texts of entity and answer."""
    texts = [0] * len(entities)
    for field in answers.schema:
        if pa.types.is_string(field.type):
            lengths = pc.fill_null(pc.binary_length(answers[field.name]), 0).to_pylist()
            texts = [text + length for text, length in zip(texts, lengths, strict=True)]
    return [
        count * (ROW_BYTES + text + sum(map(len, filter(None, (each.entity_id, each.entity_name, each.location_name)))))
        for each, count, text in zip(entities, objects, texts, strict=True)
    ]


def _cut(positions: range, costs: Mapping[int, int]) -> Iterator[range]:
    """The same positions in ranges whose rows have few bytes."""
    begin, held = positions.start, 0
    for position in positions:
        if held and held + costs[position] > SLICE_BYTES:
            yield range(begin, position)
            begin, held = position, 0
        held += costs[position]
    yield range(begin, positions.stop)


def _earlier(batch: Batch, positions: range) -> dict[str, pa.Table]:
    """The rows of the earlier snapshot for some entities of a batch."""
    if len(positions) == len(batch.entities):
        return batch.earlier
    ids = batch.inventory["entity_id"].slice(positions.start, len(positions)).combine_chunks()
    return {name: table.filter(pc.is_in(table["entity_id"], ids)) for name, table in batch.earlier.items()}


def _subject(org_id: str, inventory: pa.Table, places: list[_Place]) -> pa.Table:
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


def _coverage(dataset: str, subject: pa.Table, places: Mapping[int, _Place], defects: Mapping[int, str]) -> pa.Table:
    """The coverage rows; a reading with a defect, by its place, is `invalid_response`."""
    answers = {place: reading.answer for place, (_, reading) in places.items()}
    outcomes = [Outcome.INVALID_RESPONSE if place in defects else each.outcome for place, each in answers.items()]
    values = {
        "dataset": [dataset] * len(answers),
        "outcome": [outcome.value for outcome in outcomes],
        "http_status": [answer.status for answer in answers.values()],
        "error_message": [defects.get(place, answer.message) for place, answer in answers.items()],
        "tracking_id": [answer.tracking_id for answer in answers.values()],
        "attempts": [answer.attempts for answer in answers.values()],
        "fetched_at": [answer.fetched_at for answer in answers.values()],
    }
    columns = [
        pa.array(values[field.name], field.type) if field.name in values else subject[field.name]
        for field in COVERAGE_SCHEMA
    ]
    return pa.table(columns, schema=COVERAGE_SCHEMA)
