"""What is wrong with a command line, in our own words; click's do not say what to do."""

import re

import click

from audit.text import did_you_mean

#: How click begins a message about a value: with the value.
_VALUE = re.compile(r"(.*?) is not (?:a valid|one of|in the range) ", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)
_MAX_SHOWN = 60
_OTHERS = {"Missing command.": "the command is missing: 'webex-audit --help' lists the commands"}


def words_of_usage(error: click.ClickException) -> str:
    """The line for an error of click: what, where, and what to do."""
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            return f"{_title(param)} is missing{_help(error)}"
        case click.BadParameter(param=click.Parameter() as param):
            return _words_of_value(param, error.message)
        case click.NoSuchOption(option_name=name) | click.NoSuchCommand(command_name=name):
            what = f"option {name}" if isinstance(error, click.NoSuchOption) else f"command {_shown(name)}"
            return f"there is no {what}{did_you_mean(name, error.possibilities or ()) or _help(error)}"
        case click.BadOptionUsage():
            needs = "takes no value" if "not take a value" in error.message else "needs a value"
            return f"{error.option_name} {needs}{_help(error)}"
        case click.UsageError() if extra := _EXTRA.match(error.message):
            return f"unexpected argument {_shown(extra[1])}{_help(error)}"
    words = error.format_message()
    return _OTHERS.get(words, words)


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


def _help(error: click.UsageError) -> str:
    return f": '{error.ctx.command_path} --help' shows the usage" if error.ctx else ""


def _title(param: click.Parameter) -> str:
    return max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
