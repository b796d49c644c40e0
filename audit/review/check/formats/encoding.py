"""JSON of results whose names come from outside: any text can be encoded, and nothing in it is obeyed by a terminal."""

import json
from typing import Any

import msgspec

from audit.text import printable_json


def compact_json(value: Any) -> str:
    """A value as JSON on one line."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8; JSON can only escape it.
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))


def safe_json(value: Any, *, indent: int = 0) -> str:
    """A value as JSON with control characters escaped; on several lines if `indent` is not 0."""
    text = compact_json(value)
    return printable_json(msgspec.json.format(text, indent=indent) if indent else text)
