"""What is wrong with a value of the configuration, in words."""

import math
from typing import Any, Literal, get_args, get_origin

from msgspec import inspect

_MAX_SHOWN = 60
_QUOTED_TIME = 'in quotes, such as "45m" or "1h30m"'


def mismatch(value: Any, wanted: Any, example: object = None) -> str:
    """What is wrong with a value that msgspec refuses, such as `must be more than 0`.

    Args:
        value: the value, of any type; from the environment, a text.
        wanted: the annotation of the field that should hold it.
        example: a value that fits.
    """
    kind = inspect.type_info(wanted)
    if isinstance(kind, inspect.Metadata):
        example, kind = (kind.extra_json_schema or {}).get("examples", [example])[0], kind.type
    if isinstance(kind, inspect.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    match kind:
        case inspect.LiteralType():
            return f"{shown(value)} is none of {', '.join(_choices(wanted))}"
        case inspect.BoolType():
            return "expected true or false"
        case inspect.ListType():
            return _mismatch_of_list(value, _choices(wanted), example)
        case inspect.IntType() | inspect.FloatType():
            return _mismatch_of_number(value, kind)
        case inspect.StrType(pattern=str()):
            is_text = isinstance(value, str)
            return f"expected a time {'such as 45m or 1h30m' if is_text else _QUOTED_TIME}"
    return "expected a text in quotes"


def is_number(value: Any, wanted: Any) -> bool:
    """Whether a value is the number that its field should hold, so that it can't be a secret in the wrong place."""
    is_wanted = isinstance(inspect.type_info(wanted), inspect.IntType | inspect.FloatType)
    return is_wanted and not math.isnan(_number(value))


def shown(value: Any) -> str:
    """A value as the user wrote it; not a long value or a table, which may hold a secret in the wrong place."""
    text = "" if isinstance(value, dict) else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if 0 < len(text) <= _MAX_SHOWN else "(not shown)"


def _choices(wanted: Any) -> tuple[str, ...]:
    """The words of the `Literal` in a type, in the order of the source; msgspec sorts them."""
    if get_origin(wanted) is Literal:
        return get_args(wanted)
    return next(filter(None, map(_choices, get_args(wanted))), ())


def _mismatch_of_list(value: Any, known: tuple[str, ...], example: object) -> str:
    fitting = example if isinstance(example, list) and example else known[:1]
    items = ", ".join(f'"{item}"' for item in fitting)
    such = f"such as [{items}]"
    if not isinstance(value, list):
        return f"expected a list, {such}"
    if not value:
        return f"must not be empty: expected a list, {such}"
    wrong = [item for item in value if known and item not in known]
    return f"{shown(wrong[0])} is none of {', '.join(known)}" if wrong else f"expected texts in quotes, {such}"


def _mismatch_of_number(value: Any, kind: Any) -> str:
    is_whole = type(kind).__name__ == "IntType"
    number = _number(value)
    if math.isnan(number) or (is_whole and number % 1):
        return "expected a whole number" if is_whole else "expected a number"
    if kind.gt is not None and number <= kind.gt:
        return f"must be more than {kind.gt:g}"
    if kind.ge is not None and number < kind.ge:
        return f"must be at least {kind.ge:g}"
    return f"must be at most {kind.le:g}"


def _number(value: Any) -> float:
    """The number that a value is, or says; not a number otherwise."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan
