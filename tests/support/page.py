"""The code of docs/reading.md, and the answers that its readers must get."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from nights import Nights, Row

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reading.md").read_text()
#: The code of the page: by the text after the opening fence.
BLOCKS: dict[str, str] = dict(
    re.findall(r"^```((?:python|sql|powerquery) .*?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
)
LATEST = ("coverage", "push_to_talk", "push_to_talk_members")
HISTORY = ("coverage", "push_to_talk")
COMPLETE = ("ok", "not_licensed", "not_found")


def unordered(rows: Iterable[Row]) -> list[Row]:
    """Rows and columns in an order that depends on their values only."""
    return sorted(({name: row[name] for name in sorted(row)} for row in rows), key=repr)


def assert_same(found: Iterable[Row], expected: Iterable[Row]) -> None:
    """Compare rows in any order."""
    assert unordered(found) == unordered(expected)


def assert_answered(nights: Nights, ask: Callable[[str, list[str]], list[Row]], read: Callable[[str], str]) -> None:
    """Ask all questions of the page; check every view and every answer.

    Args:
        nights: the snapshots.
        ask: runs SQL with parameters.
        read: translates SQL for the engine.
    """
    for name in LATEST:
        assert_same(ask(f"SELECT * FROM {name}", []), nights.rows(name))
    for name in HISTORY:
        assert_same(ask(f"SELECT * FROM {name}_history", []), nights.all_rows(name))
    for question, answer in ANSWERS.items():
        parameters, rows = answer(nights)
        assert rows, question
        assert_same(ask(read(BLOCKS[f"sql question {question}"]), parameters), rows)


def _key(row: Row) -> tuple[str, ...]:
    return row["org_id"], row["entity_type"], row["entity_id"]


def _some(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def _open(nights: Nights) -> tuple[list[str], list[Row]]:
    words = {"ALLOW_MEMBERS": "its members", "BLOCK_MEMBERS": "everybody but its members"}
    names = ("org_id", "entity_type", "location_name", "entity_name", "entity_id", "member_count")
    return [], [
        _some(row, *names) | {"who": words.get(row["access_type"], row["access_type"])}
        for row in nights.rows("push_to_talk")
        if row["allow_auto_answer"]
        and row["connection_type"] == "TWO_WAY"
        and (row["access_type"] != "ALLOW_MEMBERS" or row["member_count"])
    ]


def _members(nights: Nights) -> tuple[list[str], list[Row]]:
    names = ("org_id", "entity_id", "entity_name", "member_id", "member_display_name", "member_email")
    found = {
        tuple(row[name] for name in names)
        for row in nights.rows("push_to_talk_members")
        if row["allow_auto_answer"] and (row["connection_type"], row["access_type"]) == ("TWO_WAY", "ALLOW_MEMBERS")
    }
    return [], [dict(zip(names, row, strict=True)) for row in found]


def _rooms(nights: Nights) -> tuple[list[str], list[Row]]:
    names = ("allow_auto_answer", "connection_type")
    settings = {_key(row): _some(row, *names) for row in nights.rows("push_to_talk")}
    return [], [
        _some(row, "org_id", "entity_id", "entity_name", "outcome", "error_message")
        | settings.get(_key(row), dict.fromkeys(names))
        for row in nights.rows("coverage")
        if row["entity_type"] == "WORKSPACE"
    ]


def _organizations(nights: Nights) -> tuple[list[str], list[Row]]:
    rows = nights.rows("coverage")
    found = []
    for org_id in {row["org_id"] for row in rows}:
        outcomes = [row["outcome"] for row in rows if row["org_id"] == org_id]
        unknown = sum(outcome not in COMPLETE for outcome in outcomes)
        found.append({"org_id": org_id, "entities": len(outcomes), "unknown": unknown})
    return [], found


def _unknown(nights: Nights) -> list[tuple[str, ...]]:
    return [_key(row) for row in nights.rows("coverage") if row["outcome"] not in COMPLETE]


def _history(nights: Nights) -> tuple[list[str], list[Row]]:
    names = ("allow_auto_answer", "connection_type", "access_type", "member_count")
    settings = {(row["snapshot_id"], *_key(row)): _some(row, *names) for row in nights.all_rows("push_to_talk")}
    (room, *_) = _unknown(nights)
    return [room[2]], [
        _some(row, "snapshot_id", "entity_name", "outcome")
        | settings.get((row["snapshot_id"], *room), dict.fromkeys(names))
        for row in nights.all_rows("coverage")
        if _key(row) == room
    ]


def _last_known(nights: Nights) -> tuple[list[str], list[Row]]:
    names = ("org_id", "entity_id", "entity_name", "snapshot_id", "allow_auto_answer", "connection_type", "access_type")
    known = {_key(row): _some(row, *names) for row in nights.all_rows("push_to_talk")}
    return [], [known[key] for key in _unknown(nights) if key in known]


#: The questions of the page, with their parameters and answers, computed without SQL.
ANSWERS: dict[str, Callable[[Nights], tuple[list[str], list[Row]]]] = {
    "open": _open,
    "members": _members,
    "rooms": _rooms,
    "organizations": _organizations,
    "history": _history,
    "last-known": _last_known,
}
