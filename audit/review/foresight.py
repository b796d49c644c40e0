"""What a report of a snapshot that does not exist yet needs: checked before a run, without loading DuckDB."""

from collections.abc import Collection
from datetime import date

from audit.config import CheckSettings
from audit.errors import UsageError
from audit.review import check_extra
from audit.review.check.exceptions import load_exceptions
from audit.review.check.rules import load_rules
from audit.review.vocabulary import WAY_FLAGS, WAYS


def check_findings(settings: CheckSettings, today: date) -> None:
    """Check that rules, exceptions and baseline can be read. Whether a rule is SQL, only DuckDB knows.

    Args:
        settings: where they come from.
        today: the date (UTC).

    Raises:
        UsageError: one of them can't be read; the error names the file.
    """
    rule_ids = {rule.rule_id for rule in load_rules(settings.rules_dir)}
    load_exceptions(settings.exceptions_file, rule_ids, today)
    load_exceptions(settings.baseline_file, rule_ids, today, "baseline")


def check_readable(formats: Collection[str]) -> None:
    """Check that a snapshot can be reviewed.

    Args:
        formats: the formats of its tables.

    Raises:
        UsageError: the extra `review` is not installed, or the snapshot will hold no Parquet.
    """
    check_extra()
    if "parquet" not in formats:
        raise UsageError("--report reads Parquet: add --format parquet")


def check_ways(datasets: Collection[str]) -> None:
    """Check that a snapshot will have the view `open_rooms`.

    Args:
        datasets: the names of its datasets.

    Raises:
        UsageError: it will not.
    """
    if {*WAYS.values()}.isdisjoint(datasets):
        raise UsageError(f"a report as CSV holds open_rooms, which needs one of {', '.join(WAY_FLAGS)}")
