"""How every command shows its help, in sections and with examples, and how it takes its options."""

import copy
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource

from audit.cli.examples import EXAMPLES

#: Title of the options that may also stand before the command; they end the help.
EVERYWHERE = "Configuration and log (also before the command)"
#: A hyphen at which no line breaks.
_UNBROKEN = "\u2011"
_NUMBER = re.compile(r"\b(?:INTEGER|FLOAT)(?: RANGE)?$")
_RANGE = re.compile(r"(?:; )?[\d.<=]*\bx[<>=][\d.<=]*\]$")
_GAP = re.compile(r"\s{2,}\[")
#: Characters of a value that a message shows.
_SHOWN = 60


class Formatter(click.HelpFormatter):
    """Keeps options and commands in one line: click would break them after a hyphen."""

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", _UNBROKEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms, each with its text beside it."""
        super().write_dl([(term, text.replace("-", _UNBROKEN)) for term, text in rows], col_max, col_spacing)

    def write(self, string: str) -> None:
        """Write a text as it is."""
        super().write(string.replace(_UNBROKEN, "-"))


class Context(click.Context):
    """Formats the help of a command."""

    formatter_class = Formatter


class Heading(click.Option):
    """Gives the options below it a title in the help; it is not an option itself.

    Args:
        title: the title; options of one title that stand apart are shown together.
    """

    def __init__(self, declarations: list[str], title: str) -> None:
        super().__init__(declarations, expose_value=False)
        self.title = title


class MayBeEmpty(click.Option):
    """An option whose empty value means nothing, such as no faults; of other options, it is a mistake."""


def heading(title: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator like `click.option`, above the options that it gives a title."""
    return click.option("--heading", cls=Heading, title=title)


class Command(click.Command):
    """A command whose help has sections and examples, and that takes an option once.

    Attributes:
        sections: the titles of the help, each with the names of its options.
    """

    context_class = Context

    def __init__(self, name: str | None, *, params: Iterable[click.Parameter] = (), **attributes: Any) -> None:
        given = list(params)
        options = [each for each in given if not isinstance(each, Heading)]
        super().__init__(name, params=options, **attributes)
        self.sections = _sections(given)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; an option with two values is refused, wherever the two stand, and an empty value."""
        given = [*args]
        try:
            if not ctx.resilient_parsing:
                _refuse_second_values(self, ctx, args)
            rest = super().parse_args(ctx, args)
            if not ctx.resilient_parsing:
                _refuse_empty_values(ctx)
            return rest
        except click.NoSuchOption as error:
            raise click.NoSuchOption(_whole(error.option_name, given), ctx=ctx) from None
        except BrokenPipeError:
            ctx.exit()  # nobody reads the help

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section; `--help` ends the last."""
        options = {each.name: each for each in self.get_params(ctx) if isinstance(each, click.Option)}
        named = {name for names in self.sections.values() for name in names}
        rest = [name for name in options if name not in named]
        titles = [*self.sections] or ["Options"]
        for title in titles:
            names = [*self.sections.get(title, []), *(rest if title == titles[-1] else [])]
            with formatter.section(title):
                formatter.write_dl([_plain(*found) for name in names if (found := options[name].get_help_record(ctx))])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if examples := EXAMPLES.get(self.name or ""):
            with formatter.section("Examples"):
                indent = " " * formatter.current_indent
                for text, line in examples:
                    formatter.write(f"{indent}# {text}\n{indent}$ {line}\n")
        super().format_epilog(ctx, formatter)


def _plain(term: str, text: str) -> tuple[str, str]:
    """An option in the help without the words of click: `N` for `INTEGER RANGE`, and no `[x>=1]`, which errors say."""
    text = _RANGE.sub("]", text).removesuffix("[]").rstrip()
    return _NUMBER.sub("N", term), _GAP.sub(" [", text)


def _sections(params: Iterable[click.Parameter]) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    title = "Options"
    for each in params:
        if isinstance(each, Heading):
            title = each.title
        elif isinstance(each, click.Option) and each.name:
            sections.setdefault(title, []).append(each.name)
    if EVERYWHERE in sections:
        sections[EVERYWHERE] = sections.pop(EVERYWHERE)
    return sections


def _refuse_empty_values(ctx: click.Context) -> None:
    """Refuse an empty value: in a script, it is a variable that is not set, such as that of `--public-key`.

    Raises:
        UsageError: there is one.
    """
    options = [
        each for each in ctx.command.params if isinstance(each, click.Option) and not isinstance(each, MayBeEmpty)
    ]
    for each in options:
        value = ctx.params.get(str(each.name))
        values = value if isinstance(value, tuple) else (value,)
        is_given = ctx.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE
        if is_given and any(isinstance(text, str) and not text.strip() for text in values):
            raise click.UsageError(f"{each.opts[-1]} is empty: leave it out, or give it a value", ctx)


def _whole(option: str, args: list[str]) -> str:
    """The option as it was written: click takes `-help` for `-h -e -l -p`, and knows no `-e`."""
    if option.startswith("--"):
        return option
    return next((each for each in args if re.match(r"-[a-z]", each) and option[1:] in each[1:]), option)


def _refuse_second_values(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    """Refuse an option that is given twice with different values: one of them would be dropped silently.

    Raises:
        UsageError: there is one, or the arguments can't be parsed.
    """
    options = [copy.copy(each) for each in command.get_params(ctx) if isinstance(each, click.Option)]
    # A copy collects all values.
    repeated = [each for each in options if not (each.multiple or each.is_flag or each.count)]
    for each in repeated:
        each.multiple = True
    arguments = [each for each in command.get_params(ctx) if isinstance(each, click.Argument)]
    parser = click.Command(None, params=[*options, *arguments], add_help_option=False).make_parser(ctx)
    given, _, _ = parser.parse_args([*args])
    if (asks := command.get_help_option(ctx)) and given.get(asks.name or "") is True:
        return
    for each in repeated:
        values = given.get(each.name or "")
        if isinstance(values, list) and len(different := dict.fromkeys(values)) > 1:
            first, second = (shlex.quote(str(value)[:_SHOWN]) for value in [*different][:2])
            raise click.UsageError(f"{each.opts[-1]} is given twice, as {first} and {second}: leave out one", ctx)
