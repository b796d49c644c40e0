"""A compact index of all rooms and people of a snapshot, which the report's own script searches.

The index is compressed text, in lines of JSON: a header, then a line for each group of rows, by column. People are
numbered from 0 in the order of their lines, and a room refers to its members by number. `search.js` reads it.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import duckdb

from audit.review.control_hub import ROOM_PAGE, page_of
from audit.review.report.ids import packed_ids
from audit.review.report.index_tables import PEOPLE, ROOMS, SIZES, UNREAD, create_index_tables
from audit.review.report.rows import fetch_dicts, time_of
from audit.review.report.since import Dates, approval_words, since_words
from audit.review.report.ways import device_words, other_words
from audit.review.report.wording import OUTCOMES
from audit.review.vocabulary import device, heading, things
from audit.untrusted.bounds import NAME_CHARS

#: The most rooms and people together, and members of lists, of which a file holds an index.
MAX_ENTRIES = 1_000_000
MAX_LISTED = 10_000_000
_ROWS_OF_LINE = 5_000
#: A column of fewer different values than this share of its rows becomes numbers of values.
_SHARE_OF_DIFFERENT = 4

_Columns = dict[str, Any]
#: Whether an entity has a page in Control Hub, by its kind and id.
_HasPage = Callable[[str, str], bool]


def find_index(
    connection: duckdb.DuckDBPyConnection, written: Dates, org_names: dict[str, str | None], base_url: str
) -> str | None:
    """The index as text for an HTML document; None if the snapshot is too large for it.

    Args:
        connection: has the tables of `audit.review.report.reach_tables.create_tables`, and `approval`
            (`audit.review.report.approved.find_since_approval`).
        written: how the states are dated.
        org_names: names of organizations by id.
        base_url: the API that the snapshot was read from.
    """
    create_index_tables(connection, NAME_CHARS)
    (sizes,) = fetch_dicts(connection, SIZES)
    if sizes["rooms"] + sizes["people"] + sizes["unread"] > MAX_ENTRIES or sizes["listed"] > MAX_LISTED:
        return None
    compress = zlib.compressobj(9)
    data = bytearray()
    for line in _lines(connection, written, org_names, base_url):
        data += compress.compress(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    return base64.b64encode(data + compress.flush()).decode()


def _lines(
    connection: duckdb.DuckDBPyConnection, written: Dates, org_names: dict[str, str | None], base_url: str
) -> Iterator[_Columns]:
    kinds = connection.execute(
        "SELECT entity_type FROM room UNION SELECT entity_type FROM unread ORDER BY 1"
    ).fetchall()
    yield {
        "orgs": {org_id: (name or org_id)[:NAME_CHARS] for org_id, name in org_names.items()},
        "kinds": {kind: [heading(device(kind)), things(kind)] for (kind,) in kinds},
        "page": ROOM_PAGE,
    }
    has_page = partial(_has_page, base_url)
    yield from _groups(connection, "people", PEOPLE, _people)
    yield from _groups(connection, "rooms", ROOMS, lambda rows: _rooms(rows, written, has_page))
    yield from _groups(connection, "unread", UNREAD, lambda rows: _unread(rows, has_page))


def _has_page(base_url: str, kind: str, entity_id: str) -> bool:
    return page_of(base_url, kind, entity_id) is not None


def _groups(
    connection: duckdb.DuckDBPyConnection, name: str, sql: str, columns: Callable[[list[tuple[Any, ...]]], _Columns]
) -> Iterator[_Columns]:
    cursor = connection.execute(sql)
    while rows := cursor.fetchmany(_ROWS_OF_LINE):
        yield {name: columns(rows)}


def _people(rows: list[tuple[Any, ...]]) -> _Columns:
    org, name, email, kind, member_id, also, numbers = zip(*rows, strict=True)
    return {
        "name": name,
        "email": email,
        "also": _packed(also),
        "numbers": numbers,
        "org": _packed(org),
        "kind": _packed(kind),
        "id": packed_ids(member_id),
    }


def _rooms(rows: list[tuple[Any, ...]], written: Dates, has_page: _HasPage) -> _Columns:
    org, kind, entity_id, name, location, direction, connection, reach, access, *rest = zip(*rows, strict=True)
    states, opened, details, since, reasons, times, listed, ways, pagers, devices, seen = rest
    return {
        "name": name,
        "location": _packed(location),
        "org": _packed(org),
        "kind": _packed(kind),
        "direction": _packed(direction),
        "connection": _packed(connection),
        "reach": _packed(reach),
        "access": _packed(access),
        "approval": _packed(
            [
                approval_words(state, detail, is_open=more)
                for state, more, detail in zip(states, opened, details, strict=True)
            ]
        ),
        "since": _packed(
            [since_words(written, kind, why, time_of(at)) for kind, why, at in zip(since, reasons, times, strict=True)]
        ),
        "ways": _packed([" ".join(each) for each in ways]),
        "others": _packed([other_words(*each) for each in zip(ways, pagers, strict=True)]),
        "device": _packed([device_words(each, time_of(at)) for each, at in zip(devices, seen, strict=True)]),
        "members": [len(each) for each in listed],
        "member": [person for each in listed for person in each],
        "hasPage": _packed(list(map(has_page, kind, entity_id))),
        "id": packed_ids(entity_id),
    }


def _unread(rows: list[tuple[Any, ...]], has_page: _HasPage) -> _Columns:
    org, kind, entity_id, name, location, outcome = zip(*rows, strict=True)
    return {
        "name": name,
        "location": _packed(location),
        "org": _packed(org),
        "kind": _packed(kind),
        "outcome": _packed([OUTCOMES.get(each, each) for each in outcome]),
        "hasPage": _packed(list(map(has_page, kind, entity_id))),
        "id": packed_ids(entity_id),
    }


def _packed(values: Sequence[Any]) -> Sequence[Any] | dict[str, Any]:
    """A column as its different values and a number for each row, if they are few; otherwise unchanged."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    if len(numbers) * _SHARE_OF_DIFFERENT > len(values) and len(numbers) > 1:
        return values
    return {"values": list(numbers), "at": [numbers[value] for value in values]}
