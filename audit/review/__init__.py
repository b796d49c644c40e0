"""Reads committed snapshots only, offline: verify, diff, check, report, query. Needs the extra `review`."""

from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import UsageError

_EXTRA = frozenset({"cryptography", "duckdb", "jinja2", "pygal", "xlsxwriter"})


@contextmanager
def needs_extra() -> Iterator[None]:
    """Import what a review needs inside: where the extra is not installed, the error says how to.

    Raises:
        UsageError: a library of the extra `review` is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise UsageError(f"{error.name} is not installed: pip install 'webex-audit[review]'") from None
