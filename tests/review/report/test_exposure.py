"""The order of rooms: no cut hides a room after one that is less exposed."""

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.review.report.reach_tables import LEFT_OUT, SHOWN, SHOWN_PEOPLE, create_tables

_ROOM = st.tuples(
    st.booleans(),
    st.sampled_from(["TWO_WAY", "ONE_WAY", "NEW_WAY", ""]),
    st.sampled_from(["ALLOW_MEMBERS", "BLOCK_MEMBERS", "NEW_WORD"]),
    st.integers(0, 3),
)


def _connection(rooms: list[tuple[Any, ...]]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    identity = "org_id VARCHAR, entity_type VARCHAR, entity_id VARCHAR, entity_name VARCHAR, location_name VARCHAR"
    settings = f"{identity}, allow_auto_answer BOOLEAN, connection_type VARCHAR, access_type VARCHAR"
    people = ["id", "type", "display_name", "first_name", "last_name", "email"]
    names = ", ".join(f"member_{name} VARCHAR" for name in people)
    connection.execute(f"CREATE TABLE rooms ({settings})")
    connection.execute(f"CREATE TABLE members ({settings}, {names}, member_position INTEGER)")
    for place, (is_on, direction, access, members) in enumerate(rooms):
        row = ["o", "WORKSPACE", f"r{place}", "Ward", None, is_on, direction, access]
        connection.execute("INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        for number in range(members):
            person = [f"m{place % 4}{number}", "PEOPLE", f"Member {number}", None, None, None, number]
            connection.execute(f"INSERT INTO members VALUES ({', '.join('?' * 15)})", [*row, *person])
    connection.execute("CREATE VIEW push_to_talk AS FROM rooms")
    connection.execute("CREATE VIEW push_to_talk_members AS FROM members")
    create_tables(connection, None, max_rooms_of_person=2)
    return connection


def _exposure(room: tuple[Any, ...]) -> tuple[int, ...]:
    """Smaller is more exposed."""
    is_on, direction, access, members = room
    if not is_on:
        return (9,)
    if access == "ALLOW_MEMBERS" and not members:
        return (8,)
    who = {"BLOCK_MEMBERS": 0, "ALLOW_MEMBERS": 2}.get(access, 1)
    return {"TWO_WAY": 0, "ONE_WAY": 2}.get(direction, 1), who, members if who == 0 else -members


@settings(max_examples=30)
@given(st.lists(_ROOM, min_size=1, max_size=12), st.integers(1, 12))
@pytest.mark.slow
def test_no_cut_hides_a_more_exposed_room(rooms: list[tuple[Any, ...]], most: int) -> None:
    with _connection(rooms) as connection:
        cursor = connection.execute(SHOWN, [most])
        names = [column[0] for column in cursor.description or ()]
        shown = [int(str(row[names.index("entity_id")])[1:]) for row in cursor.fetchall()]
        left_out = connection.execute(LEFT_OUT, [most]).fetchall()
    hidden = set(range(len(rooms))) - set(shown)
    order = [_exposure(rooms[place]) for place in shown]
    assert order == sorted(order)
    assert all(order[-1] <= _exposure(rooms[place]) for place in hidden)
    assert sum(row[-1] for row in left_out) == len(hidden)


@settings(max_examples=30)
@given(st.lists(_ROOM, min_size=1, max_size=12), st.integers(1, 6))
@pytest.mark.slow
def test_no_cut_hides_a_person_who_can_listen_after_one_who_cannot(rooms: list[tuple[Any, ...]], most: int) -> None:
    with _connection(rooms) as connection:
        everybody = connection.execute(SHOWN_PEOPLE, [1_000]).fetchall()
        shown = connection.execute(SHOWN_PEOPLE, [most]).fetchall()
    rank = [(-heard, -perhaps, -total) for *_, total, heard, perhaps, _ in everybody]
    assert rank == sorted(rank)
    assert shown == everybody[:most]
