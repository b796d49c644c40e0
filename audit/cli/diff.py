"""The command `diff`. It needs the extra `review`."""

from typing import Any

import click

from audit.cli import options
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.results import print_all
from audit.errors import FOUND_EXIT_CODE, UsageError
from audit.review import needs_extra
from audit.snapshot.staging import staged


@click.command(cls=Command)
@click.argument("old", required=False)
@click.argument("new", default="latest")
@heading("Output")
@options.csv_option("the differences")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences; unknown ones count.")
@options.csv_dialect_option
@options.config_options
@options.json_option
@options.logging_options
def diff(old: str | None, new: str, *, as_csv: bool, exit_code: bool, as_json: bool, **given: Any) -> int:
    """Show what changed between two snapshots.

    OLD and NEW are paths, ids or their first characters, 'latest', 'previous' or 'approved'; the last three are of
    the same scope as the other argument. The defaults are 'previous' and 'latest'. What has no answer, or was not
    asked for, is unknown and never removed.
    """
    settings = settings_of(given)
    options.refuse_dialect_without_csv(given, is_csv=as_csv, csv_flag="--csv")
    if as_csv and as_json:
        raise UsageError("choose one of --csv and --json")
    with needs_extra():
        from audit.review.comparable import find_pair
        from audit.review.diff import views as diff_views
        from audit.review.diff.compare import compare
    before, after = find_pair(settings.output.folder, old, new)
    tally = diff_views.Tally()
    with staged(before) as one, staged(after) as other:
        changes = compare(one, other)
        if as_csv:
            blocks = diff_views.as_csv(changes, tally, settings.output.csv_dialect)
        else:
            view = diff_views.as_json if as_json else diff_views.as_text
            blocks = view(before, after, changes, tally)
        print_all((f"{block}\n" for block in blocks), whole=as_csv or as_json)
    return FOUND_EXIT_CODE if exit_code and tally.differences else 0
