"""Which workspaces are asked for by id: `--workspace-id` and `--ids-from`."""

from collections.abc import Iterable
from typing import TextIO

from audit.errors import UsageError
from audit.files import expand
from audit.webex import ids

_STDIN = "-"


def select(workspace_ids: Iterable[str], ids_from: str | None, stdin: TextIO | None) -> list[str] | None:
    """The ids that were asked for, each once; None where none were, which means all workspaces.

    Args:
        workspace_ids: values of `--workspace-id`.
        ids_from: path of a file with one id a line, `-` for standard input; blank lines and lines
            that begin with `#` are passed over.
        stdin: standard input.

    Raises:
        UsageError: the file can't be read or names nothing, or a text is no id.
    """
    selected = dict.fromkeys((text.strip().rstrip("=") for text in workspace_ids), "--workspace-id")
    if ids_from is not None:
        lines = _read(ids_from, stdin)
        if not lines:
            raise UsageError(f"{_title(ids_from)} names no workspace: expected one id a line")
        selected |= lines
    for text, place in selected.items():
        _check(text, place)
    return list(selected) or None


def _read(ids_from: str, stdin: TextIO | None) -> dict[str, str]:
    try:
        data = _read_stdin(stdin) if ids_from == _STDIN else expand(ids_from).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{_title(ids_from)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{_title(ids_from)} is not a text file: expected one id a line") from None
    lines = {
        line.strip().rstrip("="): f"{_title(ids_from)}, line {number}"
        for number, line in enumerate(text.split("\n"), 1)
    }
    return {line: place for line, place in lines.items() if line and not line.startswith("#")}


def _read_stdin(stdin: TextIO | None) -> bytes:
    return stdin.buffer.read() if stdin else b""


def _title(ids_from: str) -> str:
    return "standard input" if ids_from == _STDIN else ids_from


def _check(text: str, place: str) -> None:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    if ids.is_uuid(text):
        raise UsageError(
            f"{place}: {shown} is a bare UUID, which does not tell the region: give the id as the API lists it "
            "(column entity_id of coverage.csv)"
        )
    uri = ids.uri_of(text)
    if uri is not None and uri.split("/")[3:4] in (["ORGANIZATION"], ["LOCATION"]):
        raise UsageError(f"{place}: {shown} is the id of {uri.split('/')[3].lower()}, not of a workspace")
    if uri is None:
        raise UsageError(f"{place}: {shown!r} is no Webex id (Y2lzY29…): expected one id a line")
