from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from audit.snapshot.digest import ContentDigest

SCHEMA = pa.schema(
    [("text", pa.string()), ("flag", pa.bool_()), ("count", pa.int32()), ("at", pa.timestamp("us", "UTC"))]
)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(st.characters(codec="utf-8"), max_size=4),
        "flag": st.none() | st.booleans(),
        "count": st.none() | st.integers(-(2**31), 2**31 - 1),
        "at": st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    }
)
ROWS = st.lists(ROW, max_size=8)


def digest(*tables: pa.Table) -> str:
    running = ContentDigest(SCHEMA)
    for table in tables:
        running.update(table)
    return running.hexdigest()


def table(rows: list[Any]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@given(ROWS, st.integers(0, 8))
def test_chunks_do_not_change_a_digest(rows: list[Any], cut: int) -> None:
    whole = table(rows)
    assert digest(whole.slice(0, cut), whole.slice(cut)) == digest(whole)
    assert digest(pa.concat_tables([table(rows[:cut]), table(rows[cut:])])) == digest(whole)


@given(ROWS, ROWS)
def test_other_rows_have_another_digest(one: list[Any], other: list[Any]) -> None:
    assert (digest(table(one)) == digest(table(other))) == (one == other)


def test_null_and_empty_and_moved_text_differ() -> None:
    base = {"flag": None, "count": None, "at": None}
    texts = [["ab", ""], ["a", "b"], ["", "ab"], ["ab", None], [None, "ab"]]
    assert len({digest(table([{"text": text, **base} for text in pair])) for pair in texts}) == len(texts)
