import subprocess
import sys
import threading
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


@pytest.mark.parametrize("limit_s", [0, 1000])
def test_no_thread_outlives_its_block(limit_s: float) -> None:
    """DuckDB writes a report of leaked objects to standard error if a thread is alive when the process ends."""
    before = {*threading.enumerate()}
    with closing(duckdb.connect()) as connection:
        for _ in range(20):
            with TimeLimit(connection, limit_s).computing():
                pass
            assert {*threading.enumerate()} <= before


def test_a_process_that_is_stopped_ends_without_a_report_of_leaks() -> None:
    program = f"""
import os, signal, threading
from contextlib import closing, suppress
import duckdb
from audit.review.interruption import Interruption, TimeLimit
with suppress(KeyboardInterrupt, RuntimeError), Interruption() as interruption, closing(duckdb.connect()) as connection:
    with interruption.running(connection), TimeLimit(connection, 1000).computing():
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        connection.sql({_ENDLESS!r}).fetchall()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert done.stderr == b""
