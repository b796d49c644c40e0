"""The commands of the review: `check`, `diff`, `query`, `report`. They need the extra `review`."""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import click

from audit.cli import options, views
from audit.cli.options import settings_of
from audit.cli.results import print_all, print_result
from audit.errors import FOUND_EXIT_CODE, UsageError
from audit.files import atomic_file, expand
from audit.review import needs_extra
from audit.review.check.finding import Severity
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.layout import SNAPSHOT_ID
from audit.snapshot.staging import staged
from audit.storage.place import is_dir, place
from audit.text import printable

#: How SQL begins, to recognize it in the place of a SNAPSHOT.
_SQL = re.compile(r"\s*(DESCRIBE|EXPLAIN|FROM|PIVOT|SELECT|SHOW|SUMMARIZE|TABLE|UNPIVOT|VALUES|WITH)\s", re.IGNORECASE)


@click.command()
@click.argument("snapshot", default="latest")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.timeout", metavar="DURATION", help="Skip a rule that computes longer.")
@click.option(
    "--against", metavar="SNAPSHOT", help="Compare with this snapshot. [default: the one before, of the same scope]"
)
@click.option(
    "--fail-on",
    default="low",
    show_default=True,
    type=click.Choice([str(each) for each in Severity]),
    help="Exit with 1 if a finding of this severity or a worse one remains.",
)
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json", "csv", "ocsf", "junit"]),
    help="Format of the result.",
)
@options.config_options
@options.json_option
@options.logging_options
def check(snapshot: str, against: str | None, fail_on: str, form: Any, *, as_json: bool, **given: Any) -> int:
    """Check a snapshot against rules.

    SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'.
    """
    settings = settings_of(given)
    from audit.clock import Clock

    with needs_extra():
        from audit.review.check.check import check as apply_rules
        from audit.review.check.formats import FORMATS
        from audit.review.comparable import find_before
    found = find_snapshot(settings.output.folder, snapshot)
    previous = find_snapshot(settings.output.folder, against) if against else find_before(found)
    now = Clock().now()
    with staged(found) as one, staged(previous) as other:
        result = apply_rules(one, other, settings.check, today=now.date())
    print_all([FORMATS["json" if as_json else form](result, now), "\n"])
    is_found = any(each.severity.rank <= Severity(fail_on).rank for each in result.findings)
    return FOUND_EXIT_CODE if is_found else 0


@click.command()
@click.argument("snapshot", default="latest")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.timeout", metavar="DURATION", help="Skip a rule that computes longer.")
@click.option(
    "--against",
    metavar="SNAPSHOT",
    help="Show what changed since this snapshot. [default: the one before, of the same scope]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "xlsx"]),
    default="html",
    show_default=True,
    help="Format of the file.",
)
@click.option("--file", metavar="FILE", help="Path of the file. [default: <snapshot id>.html or .xlsx in this folder]")
@options.config_options
@options.json_option
@options.logging_options
def report(snapshot: str, against: str | None, kind: str, file: str | None, *, as_json: bool, **given: Any) -> int:
    """Write a report for reviewers, as HTML or as a workbook.

    SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'.
    """
    settings = settings_of(given)
    from audit.clock import Clock

    with needs_extra():
        from audit.review.check.check import check as apply_rules
        from audit.review.comparable import find_before
        from audit.review.diff.compare import compare
        from audit.review.report import write_report, write_workbook
    found = find_snapshot(settings.output.folder, snapshot)
    earlier = find_snapshot(settings.output.folder, against) if against else find_before(found)
    path = expand(file or f"{_name_of(found)}.{kind}")
    with staged(found) as one, staged(earlier) as other:
        checks = apply_rules(one, other, settings.check, today=Clock().now().date())
        changes = compare(other, one) if other else None
        try:
            if kind == "xlsx":
                write_workbook(one, checks, changes, other, path)
            else:
                with atomic_file(path) as stream:
                    stream.write(write_report(one, checks, changes, other).encode())
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}: name another file with --file") from None
    print_result(views.as_json({"path": str(path)}) if as_json else printable(str(path)))
    return 0


def _name_of(snapshot: Snapshot) -> str:
    """The name of a report: that of the snapshot's folder, since anybody may have written the manifest."""
    name = snapshot.path.resolve().name
    return name if SNAPSHOT_ID.fullmatch(name) else "report"


@click.command()
@click.argument("old", required=False)
@click.argument("new", default="latest")
@click.option("--csv", "as_csv", is_flag=True, help="Print the differences as CSV.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences; unknown ones count.")
@options.config_options
@options.json_option
@options.logging_options
def diff(old: str | None, new: str, *, as_csv: bool, exit_code: bool, as_json: bool, **given: Any) -> int:
    """Show what changed between two snapshots.

    OLD and NEW are paths, ids, 'latest' or 'previous'. By default, NEW is the latest snapshot, and OLD
    the one before it of the same scope. What has no answer, or was not asked for, is unknown and never
    removed.
    """
    settings = settings_of(given)
    if as_csv and as_json:
        raise UsageError("choose one of --csv and --json")
    with needs_extra():
        from audit.review.diff import views as diff_views
        from audit.review.diff.compare import compare
    after = find_snapshot(settings.output.folder, new)
    before = find_snapshot(settings.output.folder, old) if old else _before(after)
    tally = diff_views.Tally()
    with staged(before) as one, staged(after) as other:
        changes = compare(one, other)
        if as_csv:
            blocks = diff_views.as_csv(changes, tally)
        else:
            view = diff_views.as_json if as_json else diff_views.as_text
            blocks = view(before, after, changes, tally)
        print_all(f"{block}\n" for block in blocks)
    return FOUND_EXIT_CODE if exit_code and tally.differences else 0


def _before(snapshot: Snapshot) -> Snapshot:
    """The snapshot that `diff` compares with by default.

    Raises:
        UsageError: there is none.
    """
    from audit.review.comparable import find_before

    if before := find_before(snapshot):
        return before
    raise UsageError(
        f"no snapshot of the same scope before {snapshot.manifest.snapshot_id}: name the one to compare with, OLD "
        "('webex-audit snapshots' lists them)"
    )


@click.command()
@click.argument("snapshot", default="latest")
@click.argument("sql", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
@options.flag("check.timeout", metavar="DURATION", help="Stop a query that computes longer.")
@options.config_options
@options.json_option
@options.logging_options
def query(snapshot: str, sql: str | None, *, as_csv: bool, as_json: bool, **given: Any) -> None:
    """Query a snapshot in SQL (DuckDB).

    SQL is one SELECT statement over the tables of the snapshot, and can read nothing else. Without SQL, the
    command lists tables and columns. SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'.
    """
    if as_csv and as_json:
        raise UsageError("choose one of --csv and --json")
    settings = settings_of(given)
    with needs_extra():
        from audit.review.query import query as queries
        from audit.review.query import rows
    if sql is None and _SQL.match(snapshot) and not is_dir(place(snapshot)):
        snapshot, sql = "latest", snapshot
    named = find_snapshot(settings.output.folder, snapshot)

    def as_table(schema: Any, batches: Any) -> Iterator[str]:
        width = shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None
        return rows.as_text(schema, batches, width)

    render = rows.as_csv if as_csv else rows.as_json if as_json else as_table
    with (
        staged(named) as found,
        queries.ask(found, sql, settings.check.timeout_s)
        if sql is not None
        else nullcontext(queries.list_columns(found)) as result,
    ):
        encoding = "utf-8" if as_csv or as_json else None
        is_list = sql is None and not (as_csv or as_json)
        print_all(queries.describe_tables(found) if is_list else render(result.schema, result.batches), encoding)
