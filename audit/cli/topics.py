"""The tables that `help` shows. Each comes from the code that it explains, so that nothing is missing."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import click

from audit.cli.group import cli, loaded
from audit.config import CONFIG_VARIABLE, FLAGS, PROFILE_VARIABLE, Settings, variables
from audit.errors import EXIT_CODES, UsageError
from audit.outcome import Outcome
from audit.text import plural_of

Rows = list[dict[str, Any]]

#: What each format is for.
_FORMATS = {
    "parquet": "machines: typed columns, by organization",
    "csv": "spreadsheets; --csv-dialect excel for Excel",
    "text": "people",
    "json": "programs: everything, exact",
    "ocsf": "a SIEM: OCSF Compliance Finding, an event on each line",
    "junit": "CI: JUnit XML, a test case for each rule",
    "oscal": "assessors: OSCAL Assessment Results",
    "html": "reviewers: one self-contained file",
    "xlsx": "reviewers: a workbook",
}
#: Variables that are not keys of the configuration.
_VARIABLES = {
    "WEBEX_ACCESS_TOKEN": "the access token",
    CONFIG_VARIABLE: "the configuration file, if --config does not name one",
    PROFILE_VARIABLE: "the profile, if --profile does not name one",
    "HTTPS_PROXY": "the proxy of requests to the API, and of notifications",
    "ALL_PROXY": "the same, if HTTPS_PROXY does not name one; both also in lower case",
    "NO_PROXY": "hosts that are asked without the proxy",
    "REQUESTS_CA_BUNDLE": "the CA bundle of notifications; that of the API is webex.ca_file",
    "XDG_CONFIG_HOME": "the folder of the user's configuration; default: ~/.config (Linux)",
    "XDG_STATE_HOME": "the folder of logins, of the last pace and of crash logs; default: ~/.local/state (Linux)",
    "TMPDIR": "the folder for temporary files, which the review needs",
    **{
        name: f"credentials of an output in {store}; docs/object-stores.md has others"
        for name, store in (
            ("AWS_ACCESS_KEY_ID", "S3"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "Google Cloud Storage"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "Azure"),
        )
    },
}


class Topic(NamedTuple):
    """A table of `help`.

    Attributes:
        summary: what it explains.
        rows: makes the rows; the first field of a row is its name.
        text: what to show beside the name, with the fields of the row.
    """

    summary: str
    rows: Callable[[], Rows]
    text: str


def _configuration() -> Rows:
    # A key with a flag has a shorter variable, too, which comes last.
    by_key = {key: variable for variable, key in variables().items()}
    rows: Rows = []
    for key, variable in by_key.items():
        section, _, name = key.partition(".")
        default = getattr(getattr(Settings(), section), name)
        flag = f"--{FLAGS[key]}" if key in FLAGS else None
        value = ", ".join(default) if isinstance(default, list) else {None: "", False: "false"}.get(default, default)
        shown = f"{f'{flag}, ' if flag else ''}{variable}; default: {value or 'none'}"
        rows.append({"key": key, "flag": flag, "variable": variable, "default": default, "shown": shown})
    return rows


def _datasets() -> Rows:
    from audit.datasets import DATASETS
    from audit.run.kinds import title_of

    return [
        {
            "dataset": title_of(each),
            "entities": [title_of(kind) for kind in each.scopes],
            "tables": [*each.tables],
            "shown": f"of {', '.join(map(plural_of, each.scopes))}; in {', '.join(each.tables)}",
        }
        for each in DATASETS.values()
    ]


def _environment() -> Rows:
    others: Rows = [{"variable": name, "sets": text} for name, text in _VARIABLES.items()]
    return others + [{"variable": name, "sets": key} for name, key in variables().items()]


def _formats() -> Rows:
    rows: Rows = []
    for name, command in cli.commands.items():
        for option in loaded(command).params:
            if "--csv" in option.opts:
                rows.append({"format": f"{name} --csv", "for": _FORMATS["csv"]})
            if "--format" in option.opts and isinstance(option.type, click.Choice):
                rows += [
                    {"format": f"{name} --format {each}", "for": _FORMATS[str(each)]} for each in option.type.choices
                ]
    return rows


def _rules() -> Rows:
    from audit.review import needs_extra

    with needs_extra():
        from audit.review.check.rules import load_rules
    rules = sorted(load_rules(), key=lambda rule: (rule.severity.rank, rule.rule_id))
    return [
        {
            "rule": each.rule_id,
            "severity": str(each.severity),
            "title": each.title,
            "rationale": each.rationale,
            "remedy": each.remedy,
        }
        for each in rules
    ]


def _scopes() -> Rows:
    from audit.datasets import DATASETS
    from audit.entity import EntityType
    from audit.inventory import Users
    from audit.inventory.collector import LOCATIONS
    from audit.inventory.people import LICENSES
    from audit.run.needs import needs_of
    from audit.run.scope import RunScope

    uses: dict[str, dict[str, None]] = {}
    for dataset in DATASETS.values():
        for users in (Users("self"), Users("all")):
            for organizations in ("own", "all") if not dataset.by_user else ("own",):
                scope = RunScope((dataset,), tuple(EntityType), organizations, users=users)
                for name, found in needs_of(scope, has_events=True).items():
                    uses.setdefault(name, {}).update(dict.fromkeys(found))
    for listing in (LOCATIONS, LICENSES):
        uses.setdefault(listing.scope, {})[f"optional: without it, {listing.loss}"] = None
    return [{"scope": name, "for": [*found], "shown": "; ".join(found)} for name, found in sorted(uses.items())]


def rows_named(word: str) -> Rows:
    """The rows of all tables that begin with a word, such as an outcome, an exit code, a rule or a key."""
    found: Rows = []
    for each in TOPICS.values():
        with suppress(UsageError):  # the rules need the extra of the review
            found += [row for row in each.rows() if str(next(iter(row.values()))) == word]
    return found


TOPICS = {
    "configuration": Topic("keys of the configuration, with flag, variable and default", _configuration, "{shown}"),
    "datasets": Topic("settings that can be audited, of which entities, in which tables", _datasets, "{shown}"),
    "environment": Topic("variables that the commands read", _environment, "{sets}"),
    "exit-codes": Topic(
        "what the exit code of a command means",
        lambda: [{"exit_code": code, "meaning": text} for code, text in sorted(EXIT_CODES.items())],
        "{meaning}",
    ),
    "formats": Topic("formats of tables, findings and reports, and for whom they are", _formats, "{for}"),
    "outcomes": Topic(
        "what became of an entity: the words in coverage and in 'show'",
        lambda: [
            {"outcome": str(each), "meaning": each.meaning, "makes": "complete" if each.is_complete else "partial"}
            for each in Outcome
        ],
        "{meaning} ({makes})",
    ),
    "rules": Topic("rules of 'check', the most severe first", _rules, "{severity}: {title}"),
    "scopes": Topic("scopes that a token needs, and for what", _scopes, "{shown}"),
}
