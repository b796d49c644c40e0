"""Rules: SQL files whose header says what is wrong, how severe it is, why it matters and what to do."""

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from audit.config import CheckSettings
from audit.errors import UsageError
from audit.files import expand
from audit.review.check.controls import Control, parse_controls
from audit.review.check.finding import Rule, Severity
from audit.text import did_you_mean, printable

_ENTRY = re.compile(r"-- ?([a-z]+):\s*(.*)")
_CONTINUATION = re.compile(r"--\s{2,}(\S.*)")
_RULE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REQUIRED = ("title", "severity", "rationale", "remedy", "tables")
_KNOWN = (*_REQUIRED, "settings", "controls")

#: Settings that SQL does not need.
_NOT_POLICY = ("rules_dir", "exceptions_file", "baseline_file", "timeout")
#: Settings that SQL reads as variables, by key of the configuration.
SETTINGS = {
    f"check.{field.name}": field.name
    for field in msgspec.structs.fields(CheckSettings)
    if field.name not in _NOT_POLICY
}


def load_rules(own: str | None = None) -> list[Rule]:
    """The built-in rules and those of a folder, by id; a rule of the folder replaces a built-in rule of the same id.

    The SQL is not checked here.

    Args:
        own: a folder of further rules, `*.sql`.

    Raises:
        UsageError: the folder can't be read or holds no rule, or a header is wrong; the error names file and line.
    """
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")]
    if own is not None:
        files += _files_of(expand(own))
    rules = {rule.rule_id: rule for rule in map(_read, files)}
    return [rules[rule_id] for rule_id in sorted(rules)]


def _files_of(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
    except OSError as error:
        raise UsageError(f"rules {folder}: {error.strerror}") from None
    if not files:
        raise UsageError(f"rules {folder}: the folder holds no rule (*.sql)")
    return files


def _read(file: Traversable) -> Rule:
    rule_id = file.name.removesuffix(".sql")
    if not _RULE_ID.fullmatch(rule_id):
        raise UsageError(f"{file}:1: the name of a rule has the form two-way-room.sql")
    lines = _text(file).splitlines()
    # The query alone: DuckDB miscounts lines after a leading comment.
    start = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("--")), len(lines))
    header = _header(str(file), lines[:start])
    if missing := [name for name in _REQUIRED if not header.get(name, (0, ""))[1]]:
        raise UsageError(f"{file}:1: the header lacks {', '.join(missing)} (such as '-- {missing[0]}: …')")
    return Rule(
        rule_id=rule_id,
        title=header["title"][1],
        severity=_severity(str(file), *header["severity"]),
        rationale=header["rationale"][1],
        remedy=header["remedy"][1],
        tables=_names(header["tables"][1]),
        sql="\n".join(lines[start:]),
        path=printable(str(file)),
        settings=_settings(str(file), *header.get("settings", (0, ""))),
        line=start + 1,
        controls=_controls(str(file), *header["controls"]) if "controls" in header else (),
    )


def _text(file: Traversable) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8: save it as UTF-8") from None


def _header(path: str, lines: list[str]) -> dict[str, tuple[int, str]]:
    """The entries of a header: line (from 1) and text, by name."""
    header: dict[str, tuple[int, str]] = {}
    name = ""
    for number, line in enumerate(lines, 1):
        if entry := _ENTRY.fullmatch(line.rstrip()):
            name, text = entry.groups()
            if name not in _KNOWN or name in header:
                fault = "stands twice in the header" if name in header else f"is unknown{_nearest(name, _KNOWN)}"
                raise UsageError(f"{path}:{number}: {name} {fault}")
            header[name] = (number, text)
        elif name and (more := _CONTINUATION.fullmatch(line.rstrip())):
            header[name] = (header[name][0], f"{header[name][1]} {more[1]}")
        else:
            name = ""
    return header


def _severity(path: str, line: int, text: str) -> Severity:
    if text not in set(Severity):
        raise UsageError(f"{path}:{line}: severity {text!r} is none of {', '.join(Severity)}")
    return Severity(text)


def _settings(path: str, line: int, text: str) -> tuple[str, ...]:
    for key in _names(text):
        if key not in SETTINGS:
            raise UsageError(
                f"{path}:{line}: {key} is not a setting that rules can read{_nearest(key, tuple(SETTINGS))}"
            )
    return _names(text)


def _controls(path: str, line: int, text: str) -> tuple[Control, ...]:
    try:
        return parse_controls(text)
    except ValueError as error:
        raise UsageError(f"{path}:{line}: {error}") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (each.strip() for each in text.split(",")) if name)


def _nearest(name: str, known: tuple[str, ...]) -> str:
    return did_you_mean(name, known, otherwise=f"; expected one of {', '.join(known)}")
