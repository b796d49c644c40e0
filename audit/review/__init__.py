"""Reviews of committed snapshots, offline: verify, diff, check, report, query. They need the extra `review`."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

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


def check_extra() -> None:
    """Check that the extra `review` is installed, before work that would be in vain without it.

    Raises:
        UsageError: a library of the extra is missing.
    """
    with needs_extra():
        for name in sorted(_EXTRA):
            if find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
