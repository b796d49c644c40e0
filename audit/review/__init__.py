"""Reviews of committed snapshots, offline: verify, diff, check, report, query. They need the extra `review`."""

from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import UsageError
from audit.extras import how_to_add

_EXTRA = frozenset({"cryptography", "duckdb", "jinja2", "pygal", "xlsxwriter"})


@contextmanager
def needs_extra() -> Iterator[None]:
    """Turn a failed import of a library of the extra `review` into an error that says how to install it.

    Raises:
        UsageError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise UsageError(f"{error.name} is not installed: {how_to_add('review')}") from None
