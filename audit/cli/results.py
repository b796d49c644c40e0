"""Prints results to standard output."""

import io
import logging
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from audit.cli import views
from audit.cli.spool import kept, taken_back
from audit.config import OutputSettings, Settings
from audit.errors import PARTIAL_EXIT_CODE, StoppedError
from audit.redaction import redact
from audit.snapshot.catalog import Snapshot, nothing_in
from audit.text import printable, printable_lines

log = logging.getLogger(__name__)


def print_utf8(_: click.Context, __: click.Parameter, chosen: Any) -> Any:
    """Print what follows as UTF-8, with line feeds alone: the callback of an option that asks for data.

    A program reads the result, and it knows nothing of the locale of this process. Texts for people keep the encoding
    of their terminal, with escapes for what it lacks.

    Args:
        chosen: the value of the option, which is returned; false or `text` asks for a text.
    """
    if chosen and chosen != "text" and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    return chosen


def print_result(text: str) -> None:
    """Print a result. A write error is logged and does not change the exit code."""
    try:
        stream = sys.stdout
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        print(_shown(text), flush=True)  # noqa: T201 - click.echo would end the process on a closed pipe
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            log.error("the result can't be printed: %s", error.strerror)


def print_done(text: str, *, is_quiet: bool) -> None:
    """Print what a command did, or found in order: with `--quiet`, nothing."""
    if text and not is_quiet:
        print_result(text)


def print_all(texts: Iterable[str], *, whole: bool = False) -> None:
    """Print a result piece by piece, until its reader closes the pipe.

    Args:
        texts: the pieces.
        whole: print nothing before all pieces are made: half a JSON document is worse than none.

    Raises:
        StoppedError: a write fails for another reason, such as a full disk. A file has lost what was printed to it.
    """
    if sys.stdout is None:
        raise StoppedError("the result can't be printed: standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    shown = map(_shown, texts)
    if not whole:
        _print_pieces(shown)
        return
    with kept(shown) as pieces, taken_back():
        _print_pieces(pieces)


def _print_pieces(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            return
        except OSError as error:
            raise StoppedError(f"the result can't be printed: {error.strerror}") from None


def print_file(file: BinaryIO) -> None:
    """Print the bytes of a file as they are, until its reader closes the pipe.

    Raises:
        StoppedError: a write fails for another reason, such as a full disk, or standard output is closed.
    """
    if sys.stdout is None:
        raise StoppedError("the result can't be printed: standard output is closed")
    try:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        raise StoppedError(f"the result can't be printed: {error.strerror}") from None


def _shown(text: str) -> str:
    """The text without secrets, as a terminal may get it; a program gets control characters as they are."""
    text = redact(text)
    return printable_lines(text) if sys.stdout and sys.stdout.isatty() else text


def tell_nothing(settings: Settings) -> None:
    """Log that the output has no snapshot: a warning if somebody has named a folder that is absent, so mistyped."""
    path, folder = settings.output.path, settings.output.folder
    is_mistyped = path != OutputSettings().path and isinstance(folder, Path) and not folder.exists()
    log.log(logging.WARNING if is_mistyped else logging.INFO, "%s", nothing_in(folder))


def print_snapshot(
    snapshot: Snapshot, *, as_json: bool, is_quiet: bool, reports: Sequence[dict[str, Any]] | None = None
) -> None:
    """Print a snapshot as a screen of text or as JSON, with the reports that are written of it.

    Args:
        snapshot: the snapshot.
        as_json: print JSON.
        is_quiet: print no text.
        reports: what is to be said of each report; None if nobody has asked for reports.
    """
    if as_json:
        print_result(views.as_json(views.describe(snapshot) | ({} if reports is None else {"reports": reports})))
    else:
        lines = [f"  report     {printable(each['path'])}" for each in reports or ()]
        print_done("\n".join([views.render(snapshot), *lines]), is_quiet=is_quiet)


def print_unchanged(
    snapshot: Snapshot, *, as_json: bool, is_quiet: bool, reports: Sequence[dict[str, Any]] | None = None
) -> None:
    """Print that a complete snapshot has nothing to retry; as JSON, the snapshot that stands, as `print_snapshot`."""
    message = f"nothing to retry: snapshot {snapshot.manifest.snapshot_id} is complete"
    if as_json:
        log.info("%s", message)
        print_snapshot(snapshot, as_json=True, is_quiet=is_quiet, reports=reports)
    else:
        print_done(message, is_quiet=is_quiet)


def exit_code(snapshot: Snapshot, *, allow_partial: bool) -> int:
    """The exit code of a run that committed a snapshot; log what was named in vain, and why it is partial."""
    for line in views.absent(snapshot):
        log.warning("%s", line)
    if snapshot.manifest.status == "complete":
        return 0
    log.warning("the snapshot is partial: %s", views.shortcomings(snapshot))
    return 0 if allow_partial else PARTIAL_EXIT_CODE
