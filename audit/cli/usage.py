"""What is wrong with a command line, in our own words; click's do not say what to do."""

import re
from collections.abc import Iterator

import click

from audit.text import did_you_mean

#: How click begins a message about a value: with the value.
_VALUE = re.compile(r"(.*?) is not (?:a valid|one of|in the range) ", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra (arguments?) \((.*)\)", re.DOTALL)
_MAX_SHOWN = 60
#: An option that more commands have says nothing about which of them was meant.
_MOST_OWNERS = 3
_OTHERS = {"Missing command.": "the command is missing: 'webex-audit --help' lists the commands"}


def words_of_usage(error: click.ClickException) -> str:
    """The line for an error of click: what, where, and what to do."""
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            return f"{_title(param)} is missing{_expected(param) or _help(error)}"
        case click.BadParameter(param=click.Parameter() as param):
            return _words_of_value(param, error.message)
        case click.NoSuchOption(option_name=name) | click.NoSuchCommand(command_name=name):
            is_option = isinstance(error, click.NoSuchOption)
            what = f"option {name}" if is_option else f"command {_shown(name)}"
            meant = _option_meant(name, error.ctx) if is_option else _command_meant(name, error.ctx)
            return f"there is no {what}{meant or _help(error)}"
        case click.BadOptionUsage():
            needs = "takes no value" if "not take a value" in error.message else "needs a value"
            return f"{error.option_name} {needs}{_help(error)}"
        case click.UsageError() if extra := _EXTRA.match(error.message):
            is_query = error.ctx is not None and error.ctx.info_name == "query"
            advice = ": put the SQL in quotes" if is_query else _help(error)
            return f"unexpected {extra[1]} {_shown(extra[2])}{advice}"
    words = error.format_message()
    return _OTHERS.get(words, words)


def owners_of(option: str) -> list[str]:
    """The commands that have an option."""
    from audit.cli.group import cli, loaded

    return [name for name, each in cli.commands.items() if option in _options(loaded(each))]


def _option_meant(option: str, ctx: click.Context | None) -> str:
    """Which command has this option, or which option of the command is similar."""
    if owners := owners_of(option):
        if len(owners) <= _MOST_OWNERS:
            return f" here: it belongs to {' and '.join(f'{each!r}' for each in owners)}"
        return ""
    return did_you_mean(option, _options(ctx.command, ctx)) if ctx else ""


def _command_meant(name: str, ctx: click.Context | None) -> str:
    from audit.cli.topics import TOPICS

    command = ctx.command if ctx else None
    if name in TOPICS:
        return f"; did you mean 'webex-audit help {name}'?"
    if ctx and f"--{name}" in _options(ctx.command, ctx):
        return f"; did you mean --{name}?"
    return did_you_mean(name, command.commands) if isinstance(command, click.Group) else ""


def _options(command: click.Command, ctx: click.Context | None = None) -> Iterator[str]:
    params = command.get_params(ctx) if ctx else command.params
    return (opt for param in params if isinstance(param, click.Option) for opt in param.opts)


def _words_of_value(param: click.Parameter, message: str) -> str:
    found = _VALUE.match(message)
    if not found:
        return f"{_title(param)}: {message}"
    kind, value = param.type, found[1]
    match kind:
        case click.Choice():
            choices = [str(each) for each in kind.choices]
            near = did_you_mean(value.strip("'"), choices)
            return f"{_title(param)}: {value} is none of {', '.join(choices)}{near}"
        case click.IntRange() | click.FloatRange() if "range" in found[0]:
            return f"{_title(param)} {value}: {_limits(kind)}"
    whole = " whole" if isinstance(kind, click.types.IntParamType) else ""
    return f"{_title(param)} {value}: expected a{whole} number"


def _limits(kind: click.IntRange | click.FloatRange) -> str:
    least = f"{'more than' if kind.min_open else 'at least'} {kind.min or 0:.10g}"
    return f"must be {least}" if kind.max is None else f"must be {least} and at most {kind.max:.10g}"


def _expected(param: click.Parameter) -> str:
    return (
        f": expected one of {', '.join(map(str, param.type.choices))}" if isinstance(param.type, click.Choice) else ""
    )


def _help(error: click.UsageError) -> str:
    return f": '{error.ctx.command_path} --help' shows the usage" if error.ctx else ""


def _title(param: click.Parameter) -> str:
    return max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
