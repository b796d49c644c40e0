"""Names and texts as parts of SQL."""

from collections.abc import Iterable


def identifier(name: str) -> str:
    """The name of a table or column, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def list_of_literals(texts: Iterable[str]) -> str:
    """Texts as a DuckDB list of string literals."""
    return f"[{', '.join(map(literal, texts))}]"
