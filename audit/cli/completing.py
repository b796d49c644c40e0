"""What shell completion offers for a value: words, names in folders of this machine, or files.

The shell puts an offered word into the command line as it is: only names that the tool itself gives are offered.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    Items = list[CompletionItem[str]]  # generic since click 8.4

#: What the shell itself completes, by the placeholder of the value.
_OF_SHELL = {"FILE": "file", "DIR": "dir", "DIR|URI": "dir"}
_SNAPSHOTS = frozenset({"snapshot", "old", "new"})


def complete_values(command: click.Command) -> None:
    """Let the options and arguments of a command complete their values.

    Args:
        command: a command that is parsed for completion alone.
    """
    for param in command.params:
        if isinstance(param.type, click.types.StringParamType):
            param.type = _Completed()


class _Completed(click.types.StringParamType):
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "Items":
        # A warning would stand in the middle of the line that the user types. The command itself says what is wrong.
        logging.disable()
        try:
            return _offered(ctx, param, incomplete)
        except Exception:  # noqa: BLE001 - likewise
            return []
        finally:
            logging.disable(logging.NOTSET)


def _offered(ctx: click.Context, param: click.Parameter, incomplete: str) -> "Items":
    placeholder = param.metavar or ""
    if kind := _OF_SHELL.get(placeholder):
        return [CompletionItem(incomplete, type=kind)]
    if param.name == "topic":
        from audit.cli.group import cli
        from audit.cli.topics import TOPICS

        return _starting(incomplete, [*TOPICS, *cli.commands])
    if param.name == "profile":
        from audit.config import known_profiles

        return _starting(incomplete, (each.name for each in known_profiles()))
    if param.name in _SNAPSHOTS or placeholder == "SNAPSHOT":
        words = _starting(incomplete, ("latest", "previous", "approved", *_snapshots(ctx.params)))
        # A folder goes first: the script for bash forgets what it got before.
        return [CompletionItem(incomplete, type="dir"), *words]
    return []


def _starting(incomplete: str, words: Iterable[str]) -> "Items":
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _snapshots(given: dict[str, Any]) -> list[str]:
    """The ids of the snapshots in the output of a command, newest first; none of an object store, which is far away."""
    with suppress(Exception):
        from audit.config import load
        from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID

        flags = {"output.path": given.get("output__path")}
        output = load(given.get("config_file"), os.environ, flags, given.get("profile")).output.folder
        if isinstance(output, Path):
            names = sorted((each.name for each in output.iterdir() if SNAPSHOT_ID.fullmatch(each.name)), reverse=True)
            return [name for name in names if (output / name / MANIFEST).is_file()]
    return []
