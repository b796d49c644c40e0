"""Writes the manual page of webex-audit from the help of its commands: `make man`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from audit import __version__
from audit.cli.group import LazyCommand, cli

#: The wheel puts what is in `data` below the prefix of its environment, where man, pip and pipx look for pages.
PAGE = Path(__file__).parents[1] / "data" / "share" / "man" / "man1" / "webex-audit.1"
COMMANDS = Path(__file__).with_name("commands.md")
#: Characters that roff would read as its own.
_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def page() -> str:
    """The manual page of all commands."""
    context = click.Context(cli, info_name="webex-audit", **cli.context_settings)
    lines = [
        '.\\" Made by docs/man.py from the help of the commands: make man',
        f'.TH WEBEX\\-AUDIT 1 "" "{_escaped(f"webex-audit {__version__}")}" "User Commands"',
        ".nh",  # a hyphen within a name of an option misleads
        ".ad l",
        ".SH NAME",
        f"webex\\-audit \\- {_escaped(_paragraphs(cli)[0].rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B webex\\-audit",
        f"{_escaped(' '.join(cli.collect_usage_pieces(context)))}",
        ".SH DESCRIPTION",
        *_text(_paragraphs(cli)),
        *_options(cli, context),
        ".SH COMMANDS",
    ]
    for name in cli.list_commands(context):
        lines += _command(name, context)
    return "\n".join([*lines, ".SH EXIT STATUS", *_exit_status()]) + "\n"


def _command(name: str, parent: click.Context) -> Iterator[str]:
    listed = cli.get_command(parent, name)
    command = listed.load() if isinstance(listed, LazyCommand) else listed
    if command is None or command.hidden:
        return
    context = click.Context(command, info_name=name, parent=parent)
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_quoted(f'webex-audit {name} {pieces}')}"
    yield from _text(_paragraphs(command))
    yield from _options(command, context)


def _paragraphs(command: click.Command) -> list[str]:
    texts = (command.help or "", command.epilog or "")
    return [part for text in texts for part in re.split(r"\n\s*\n", inspect.cleandoc(text.partition("\f")[0])) if part]


def _text(paragraphs: list[str]) -> Iterator[str]:
    for each in paragraphs:
        if each.startswith("\b"):  # the mark of click for lines to keep
            yield from (".PP", ".nf", *map(_line, each.split("\n")[1:]), ".fi")
        else:
            yield from (".PP", _line(" ".join(each.split())))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for param in command.get_params(context):
        if isinstance(param, click.Option) and (record := param.get_help_record(context)):
            names, text = record
            yield from (".TP", f".B {_quoted(names)}", _line(" ".join(text.split())))


def _exit_status() -> Iterator[str]:
    """The exit codes, as docs/commands.md lists them."""
    for code, meaning in re.findall(r"^\| (\d+) \| (.*?) \|", COMMANDS.read_text(), re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", meaning).replace("`", "")
        yield from (".TP", f".B {code}", _line(plain))


def _line(text: str) -> str:
    escaped = _escaped(text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _quoted(text: str) -> str:
    escaped = _escaped(text).replace('"', "\\(dq")
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
