"""The command `query`. It needs the extra `review`."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from audit.cli import options
from audit.cli.approvals import approved_beside
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.results import print_all
from audit.config import Settings
from audit.errors import UsageError
from audit.review import needs_extra
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.staging import staged
from audit.storage.place import Place, is_dir, place


@click.command(cls=Command)
@click.argument("snapshot", default="latest")
@click.argument("sql", required=False)
@heading("Output")
@options.csv_option("the result")
@options.csv_dialect_option
@heading("Limit")
@options.flag("check.timeout", metavar="TIME", help="Stop a query that computes longer.")
@options.config_options
@options.json_option
@options.logging_options
def query(snapshot: str, sql: str | None, *, as_csv: bool, as_json: bool, **given: Any) -> None:
    """Query a snapshot in SQL (DuckDB).

    SQL is one SELECT statement over the tables of the snapshot, and can read nothing else; alone, it asks the
    latest snapshot. The view open_rooms says who may open which room. Tables of the snapshot before are in the
    schema previous, those of the approved snapshot in approved. Without SQL, the command lists tables and columns.
    SNAPSHOT is a path, an id or its first characters, 'latest' (the default), 'previous' or 'approved'.
    """
    if as_csv and as_json:
        raise UsageError("choose one of --csv and --json")
    settings = settings_of(given)
    options.refuse_dialect_without_csv(given, is_csv=as_csv, csv_flag="--csv")
    with needs_extra():
        from audit.review.query import query as queries
        from audit.review.query import rows
    output = settings.output.folder
    if sql is None and queries.is_sql(snapshot) and not _is_folder(output, snapshot):
        snapshot, sql = "latest", snapshot
    if sql is not None and queries.is_keyword(snapshot) and not _is_folder(output, snapshot):
        raise UsageError(f'put the SQL in quotes: webex-audit query "{snapshot} …"')
    named = find_snapshot(output, snapshot)

    def as_table(schema: Any, batches: Any) -> Iterator[str]:
        width = shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None
        return rows.as_text(schema, batches, width)

    as_rows = partial(rows.as_csv, dialect=settings.output.csv_dialect)
    render = as_rows if as_csv else rows.as_json if as_json else as_table
    others = _others(settings, named) if sql is not None and queries.needs_others(sql) else {}
    with (
        staged(named) as found,
        queries.ask(found, sql, settings.check.timeout_s, **others)
        if sql is not None
        else nullcontext(queries.list_columns(found)) as result,
    ):
        is_data = as_csv or as_json
        is_list = sql is None and not is_data
        blocks = queries.describe_tables(found) if is_list else render(result.schema, result.batches)
        print_all(blocks, whole=is_data)


def _others(settings: Settings, named: Snapshot) -> dict[str, Snapshot | None]:
    """The snapshots that say since when, and whether it is approved."""
    from audit.review.comparable import find_before

    return {"previous": find_before(named), "approved": approved_beside(settings, named)}


def _is_folder(output: Place, name: str) -> bool:
    """Whether an argument that may be SQL names a folder: then it is a snapshot."""
    return is_dir(place(name)) or (isinstance(output, Path) and is_dir(output / name))
