from contextlib import closing

import duckdb
import pytest

from audit.review.interruption import TimeLimit

_ENDLESS = "SELECT max(a.range * b.range) FROM range(10000000) a, range(10000000) b"


def test_a_time_that_is_over_before_a_query_begins_ends_the_query() -> None:
    with closing(duckdb.connect()) as connection:
        limit = TimeLimit(connection, 0)
        with limit.computing():
            while not limit.is_over:
                pass
            with pytest.raises(duckdb.InterruptException):
                connection.sql(_ENDLESS).fetchall()


def test_a_connection_is_not_interrupted_after_its_block() -> None:
    with closing(duckdb.connect()) as connection:
        limit = TimeLimit(connection, 0)
        with limit.computing():
            while not limit.is_over:
                pass
        assert connection.sql("SELECT count(*) FROM range(30000000)").fetchall() == [(30_000_000,)]
