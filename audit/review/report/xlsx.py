"""A snapshot as a workbook for reviewers who use spreadsheets: cells are text, so nothing is lost or run."""

from collections.abc import Iterable, Iterator
from functools import partial
from importlib import resources
from itertools import islice
from typing import BinaryIO

import duckdb
import pyarrow as pa

from audit.errors import UsageError
from audit.review.check.finding import CheckResult, Finding, Rule
from audit.review.control_hub import has_pages, page_of
from audit.review.diff.change import Change
from audit.review.diff.views import Tally
from audit.review.open_rooms import OPEN_ROOMS, add_open_rooms, unread_ways
from audit.review.quoting import identifier
from audit.review.report import cells
from audit.review.report.approved import find_since_approval
from audit.review.report.hyperlinks import MAX_LINKS, PageOf, with_pages
from audit.review.report.reach_tables import create_tables
from audit.review.report.rows import count
from audit.review.report.since import APPROVAL_WORDS, NOTHING_APPROVED
from audit.review.report.summary import Known, Summary, find_known
from audit.review.report.workbook import MAX_ROWS, Workbook
from audit.review.tables import CURRENT, is_out_of_memory, open_tables, table_names
from audit.snapshot.catalog import Approved, Snapshot

_BATCH = 8_000
#: A text is cut there before it is read: its cell is cut anyway.
_MAX_TEXT = cells.MAX_UNITS + 1
#: Sheets of every workbook with the table that they show, whatever the snapshot holds.
_ALWAYS = {"Rooms": "push_to_talk", "Members": "push_to_talk_members", "Coverage": "coverage"}
#: Those in which the caller can listen first.
_ORDER = {"push_to_talk": "ORDER BY allow_auto_answer DESC, connection_type DESC, access_type DESC, entity_name"}
_UNANSWERED = """
SELECT organization AS org_name, coverage.* EXCLUDE (attempts, org_name)
FROM coverage LEFT JOIN organization USING (org_id)
WHERE NOT list_contains(getvariable('complete_outcomes'), outcome)
ORDER BY dataset, entity_type DESC, entity_name, org_id, entity_id, site_url
"""
_SHOWN_WHO = """
SELECT organization, org_id AS "organization id", coalesce(entity_name, entity_id) AS "room or phone",
       CASE entity_type WHEN 'PERSON' THEN 'phone of a person' ELSE lower(replace(entity_type, '_', ' ')) END AS kind,
       location_name AS location,
       direction AS "direction: the caller",
       access, who, email, lower(replace(member_type, '_', ' ')) AS "member type", numbers,
       approved, entity_id AS "id", member_id AS "member id"
FROM who_may WHERE place > ? AND place <= ? ORDER BY place, position
"""
_OPEN_SHEET = "Open rooms"
_WORDS = "CREATE TEMP TABLE approval_word AS SELECT unnest(?::VARCHAR[]) AS state, unnest(?::VARCHAR[]) AS said"
#: Rooms that are sorted at once.
_ROOMS = 5_000
_WHO = resources.files(__package__).joinpath("room_by_who.sql")
_NO_MEMBERS = "(SELECT {} LIMIT 0)".format(
    ", ".join(
        f"NULL::VARCHAR AS {name}"
        for name in ("org_id", "entity_type", "entity_id", "member_id", "member_email", "member_display_name",
                     "number_external", "number_extension", "number_position")
    )
)  # fmt: skip
#: Of a finding; its other fields belong to other formats.
_FOUND = ("severity", "org_id", "entity_type", "entity_id", "entity_name", "location_name", "detail", "exception")
_FINDING_COLUMNS = (
    "status", "rule_id", "title", "severity", "org_name", *_FOUND[1:],
    "reason", "remedy", "controls",
)  # fmt: skip
_CHANGE_COLUMNS = ("kind", "table", "org_name", *(name for name in Change.__struct_fields__[2:] if name != "org_name"))
_Row = tuple[str | None, ...]


def write_workbook(
    snapshot: Snapshot,
    checks: CheckResult | None,
    changes: Iterable[Change] | None,
    against: Snapshot | None,
    stream: BinaryIO,
    *,
    approved: Approved | None = None,
    max_rows: int = MAX_ROWS,
    max_links: int = MAX_LINKS,
) -> dict[str, int]:
    """Write a snapshot as an Excel workbook; returns the number of rows by subject.

    Args:
        snapshot: the snapshot.
        checks: the results of the rules, if they ran.
        changes: the differences from `against`; read once.
        against: an earlier snapshot.
        stream: a file that is open for writing.
        approved: the approved snapshot of the same scope.
        max_rows: the most rows of a sheet, header included; further rows go on in a further sheet.
        max_links: the most links of a sheet.

    Raises:
        UsageError: a table has no Parquet, or one of its files is missing or can't be read.
        OSError: the file can't be written.
    """
    base_url = snapshot.manifest.base_url
    page = partial(page_of, base_url) if has_pages(base_url) else None
    names = {org.org_id: org.name for each in (against, snapshot) if each for org in each.manifest.orgs}
    tally = Tally()
    try:
        with (
            open_tables(snapshot, against, approved=approved) as connection,
            Workbook(stream, snapshot.manifest.snapshot_id, max_rows, max_links) as book,
        ):
            _create_names(connection, names)
            since_approval = find_since_approval(connection, snapshot.manifest, approved)
            add_open_rooms(
                connection,
                snapshot.manifest,
                previous=against.manifest if against else None,
                approved=approved.manifest if approved else None,
            )
            known = _fill_answers(book, connection, "not known" if approved else NOTHING_APPROVED, page)
            _fill(book, "Findings", _FINDING_COLUMNS, _findings(checks, names), page)
            _fill(book, "Changes", _CHANGE_COLUMNS, _changes(tally.count(changes or ())))
            _fill_tables(book, connection)
            lacks = unread_ways(connection, snapshot.manifest)
            book.close(Summary(snapshot, against, since_approval, checks, tally, known, book.sizes, lacks).lines())
            return book.rows
    except (duckdb.Error, pa.ArrowException) as error:
        why = "it needs too much memory" if is_out_of_memory(error) else "its tables are not as webex-audit writes them"
        raise UsageError(
            f"snapshot {snapshot.manifest.snapshot_id} can't become a workbook: {why}; 'webex-audit verify' says more"
        ) from None


def _create_names(connection: duckdb.DuckDBPyConnection, names: dict[str, str | None]) -> None:
    """Create the table of the names of organizations."""
    shown = [name and cells.shown(name) for name in names.values()]
    connection.execute(
        "CREATE TEMP TABLE organization AS SELECT unnest(?::VARCHAR[]) AS org_id, unnest(?::VARCHAR[]) AS organization",
        [list(names), shown],
    )


def _fill_answers(
    book: Workbook, connection: duckdb.DuckDBPyConnection, no_approval: str, page: PageOf | None
) -> Known:
    """Fill the sheets that answer who may open which room, and what was not answered.

    Args:
        book: the workbook.
        connection: has the tables `organization` and `approval`.
        no_approval: what to say of a room that `approval` lacks.
        page: gives the address of an entity's page; None if there are no pages.
    """
    tables = set(table_names(connection))
    if OPEN_ROOMS in tables:
        create_tables(connection, None, max_rooms_of_person=0)
        members = "push_to_talk_members" if "push_to_talk_members" in tables else _NO_MEMBERS
        connection.execute(_WORDS, [list(APPROVAL_WORDS), list(APPROVAL_WORDS.values())])
        connection.execute(
            _WHO.read_text(encoding="utf-8").format(members=members),
            {"no_approval": no_approval, "max_text": _MAX_TEXT},
        )
        _query(book, _OPEN_SHEET, connection, f"FROM {OPEN_ROOMS}", page)
        _fill_who(book, connection, page)
    if "coverage" in tables:
        _query(book, "Not answered", connection, _UNANSWERED, page)
    return find_known(connection, tables)


def _fill_who(book: Workbook, connection: duckdb.DuckDBPyConnection, page: PageOf | None) -> None:
    """Fill the sheet of who may open which room, some rooms at a time."""
    last = count(connection, "SELECT max(place) FROM who_may WHERE place IS NOT NULL HAVING max(place) IS NOT NULL")
    schema = _reader(connection, _SHOWN_WHO, [0, 0]).schema
    batches = (
        batch for start in range(0, last, _ROOMS) for batch in _reader(connection, _SHOWN_WHO, [start, start + _ROOMS])
    )
    _add(book, "Room by who", schema, batches, page, kind="kind", entity_id="id")


def _fill_tables(book: Workbook, connection: duckdb.DuckDBPyConnection) -> None:
    """Fill a sheet for each table."""
    tables = set(table_names(connection))
    for sheet, table in _sheets(connection, tables).items():
        if table in tables:
            _query(book, sheet, connection, _all_of(connection, table))
        else:
            _fill(book, sheet, (f"this snapshot has no {table}",), ())


def _sheets(connection: duckdb.DuckDBPyConnection, tables: set[str]) -> dict[str, str]:
    """The sheets of tables. A phone is not called a room; a table that a newer version wrote has a sheet, too."""
    sheets = dict(_ALWAYS)
    if (
        "push_to_talk" in tables
        and connection.execute("SELECT 1 FROM push_to_talk WHERE entity_type <> 'WORKSPACE' LIMIT 1").fetchone()
    ):
        sheets = {"Rooms and phones" if sheet == "Rooms" else sheet: table for sheet, table in sheets.items()}
    more = sorted(tables - set(sheets.values()) - {OPEN_ROOMS})
    return sheets | {cells.fitted(table.replace("_", " ").capitalize(), 24): table for table in more}


def _all_of(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """A query for all columns of a table, with `org_id` and the name of the organization first."""
    described = connection.execute(f"DESCRIBE {CURRENT}.{identifier(table)}").fetchall()
    others = [identifier(str(name)) for name, *_ in described if name not in ("org_id", "org_name")]
    return (
        f"SELECT org_id, organization AS org_name, {', '.join(others)} FROM {CURRENT}.{identifier(table)} "  # noqa: S608
        f"LEFT JOIN organization USING (org_id) {_ORDER.get(table, '')}"
    )


def _query(
    book: Workbook, sheet: str, connection: duckdb.DuckDBPyConnection, sql: str, page: PageOf | None = None
) -> None:
    reader = _reader(connection, sql)
    _add(book, sheet, reader.schema, reader, page)


def _reader(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Iterable[object] = ()) -> pa.RecordBatchReader:
    """The rows of a query, with texts that are cut where their cells are cut anyway."""
    given = list(parameters)
    described = connection.execute(f"DESCRIBE {sql}", given).fetchall()
    columns = (
        f"left({identifier(name)}, {_MAX_TEXT}) AS {identifier(name)}" if kind == "VARCHAR" else identifier(name)
        for name, kind, *_ in described
    )
    cut = f"SELECT {', '.join(columns)} FROM ({sql})"  # noqa: S608
    # Unlike `execute`, `sql` does not keep the whole result.
    reader: pa.RecordBatchReader = connection.sql(cut, params=given).to_arrow_reader(_BATCH)
    return reader


def _fill(
    book: Workbook, sheet: str, columns: tuple[str, ...], rows: Iterable[_Row], page: PageOf | None = None
) -> None:
    schema = pa.schema([(name, pa.string()) for name in columns])
    _add(book, sheet, schema, _batches(schema, rows), page)


def _add(
    book: Workbook,
    sheet: str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    page: PageOf | None,
    *,
    kind: str = "entity_type",
    entity_id: str = "entity_id",
) -> None:
    """Fill a sheet; with `page`, its last column leads to the pages of the entities."""
    book.fill(sheet, *(with_pages(schema, batches, kind, entity_id, page) if page else (schema, batches)))


def _batches(schema: pa.Schema, rows: Iterable[_Row]) -> Iterator[pa.RecordBatch]:
    rest = iter(rows)
    while some := list(islice(rest, _BATCH)):
        yield pa.record_batch([pa.array(each, pa.string()) for each in zip(*some, strict=True)], schema.names)


def _changes(changes: Iterable[Change]) -> Iterator[_Row]:
    for change in changes:
        values = (getattr(change, name) for name in _CHANGE_COLUMNS)
        yield tuple(None if value is None else str(value) for value in values)


def _findings(checks: CheckResult | None, names: dict[str, str | None]) -> Iterator[_Row]:
    """Open findings, accepted findings and skipped rules, the most severe rule first."""
    results = sorted(checks.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id)) if checks else []
    for result in results:
        rule = result.rule
        start = (rule.rule_id, rule.title)
        controls = _controls(rule)
        for status, found in (("open", result.findings), ("accepted", result.excepted)):
            for finding in found:
                yield status, *start, *_found(finding, names), result.reason, rule.remedy, controls
        if result.status == "skipped":
            nothing = [None] * len(_FOUND)
            yield "skipped", *start, str(rule.severity), *nothing, result.reason, rule.remedy, controls


def _found(finding: Finding, names: dict[str, str | None]) -> _Row:
    severity, *values = (getattr(finding, name) for name in _FOUND)
    return str(severity), _name(names, finding.org_id), *values


def _controls(rule: Rule) -> str:
    """The controls that a rule supports evidence for, as a cell."""
    return ", ".join(f"{each.framework} {each.id}" for each in rule.controls)


def _name(names: dict[str, str | None], org_id: str | None) -> str | None:
    name = names.get(org_id or "")
    return name and cells.shown(name)
