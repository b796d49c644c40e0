"""The command that goes on with an unfinished run, written from what the run was asked to do."""

import logging
import shlex
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from audit import config
from audit.cli.options import settings_with
from audit.clock import Clock
from audit.config import Settings
from audit.datasets import NAMES
from audit.errors import UsageError, words_of
from audit.output.journal import Journal, folders_of_runs
from audit.output.occupant import occupant_of
from audit.output.pending import Pending, pending_runs
from audit.run.keys import keys_at_hand
from audit.run.scope import RunScope, scope_of
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.values import SnapshotId
from audit.text import count_of, duration_of
from audit.untrusted.decoding import prepared

log = logging.getLogger(__name__)

#: Most unfinished runs that a new run names.
_MOST = 3

#: Options that the command to copy repeats, with the names of their values.
_CONTEXT = {"--config": "config_file", "--profile": "profile", "--output": "output__path"}
_API = {"--base-url": "webex__base_url", "--token-file": "webex__token_file"}
_REPEATED = (*_CONTEXT.values(), *_API.values(), "output__shared")

#: Keys of the scope in a journal that no option can repeat: they are digests of a selection.
_SELECTIONS = {
    "workspace ids (SHA-256)": "--workspace-id or --ids-from",
    "mail addresses (SHA-256)": "--user or --users-from",
}


@prepared
class _Asked(msgspec.Struct):
    """The scope in a journal (`audit.run.scope.RunScope.journal`), which anybody may have written."""

    base_url: str = msgspec.field(name="webex.base_url")
    organizations: Annotated[list[str], msgspec.Meta(min_length=1)]
    excluded: list[str] = msgspec.field(name="scope.exclude_orgs")
    datasets: list[str] = msgspec.field(name="scope.datasets")
    entities: list[str] = msgspec.field(name="scope.entities")
    users: str
    sites: list[str] = msgspec.field(name="scope.sites")
    retried: SnapshotId | None = msgspec.field(name="--retry-failed")


class Way(NamedTuple):
    """How to go on with an unfinished run.

    Attributes:
        run: the run.
        command: the command, to be copied; None if there is none.
        note: what the command needs besides, or why there is none; None if there is nothing to say.
    """

    run: Pending
    command: str | None = None
    note: str | None = None


def ways_on(settings: Settings, given: dict[str, Any], snapshots: list[Snapshot], now: datetime) -> list[Way]:
    """The unfinished runs of an output, the oldest first, each with how to go on with it.

    Args:
        settings: the configuration.
        given: the values of the options, by name.
        snapshots: the snapshots of the output, in the order of their chain.
        now: the current time.
    """
    runs = pending_runs(
        settings.output.folder,
        snapshots,
        now=now,
        within_s=settings.run.resume_within_s,
        keys=keys_at_hand(settings),
    )
    return [_way(each, settings, given) for each in runs]


def warn_of_unfinished(settings: Settings, given: dict[str, Any], scope: RunScope, command: str) -> None:
    """Log the unfinished runs that a new run leaves behind.

    Args:
        settings: the configuration of the new run.
        given: the values of its options, by name.
        scope: what it asks for.
        command: the command that resumes a run of this scope.
    """
    output, now = settings.output.folder, Clock().now()
    try:
        # The scope of the new run is not that of the command to copy.
        plain = settings_with(given, _REPEATED)
        ways = ways_on(plain, given, list_snapshots(output), now) if folders_of_runs(output, ()) else []
    except (OSError, UsageError) as error:
        # The run itself says what is wrong with its output.
        log.debug("unfinished runs can't be listed: %s", words_of(error))
        return
    asked = scope.journal(settings.webex.base_url)
    if ways and (occupant := occupant_of(output)) and occupant.is_there:
        # The new run can't begin.
        return
    for way in foremost([each for each in ways if not each.run.fault], _MOST):
        title = f"the unfinished run {way.run.run_id}{began(way.run, now)},"
        if way.run.journal and way.run.journal.scope == asked:
            log.warning(
                "%s is not resumed, and can't be once this run is committed; to go on with it instead: %s",
                *(title, command),
            )
        else:
            how = " ".join(filter(None, (way.command, way.note)))
            log.warning("%s has another scope and stays; go on with it by: %s", title, how)


def foremost(ways: list[Way], most: int) -> list[Way]:
    """The unfinished runs to name first, in their order: those that check out, that can go on, and the newest.

    Whoever may write to the output can make any number of others.
    """
    ranked = sorted(ways, key=lambda each: (each.run.is_checked, not each.run.fault, each.run.run_id))
    chosen = {each.run.run_id for each in ranked[-most:]}
    return [each for each in ways if each.run.run_id in chosen]


def began(run: Pending, now: datetime) -> str:
    """When an unfinished run began, and how far it got."""
    if run.journal is None:
        return ""
    age = duration_of((now - run.journal.started_at).total_seconds())
    if run.entities is None:
        far = ""
    elif run.entities:
        far = f", {run.answered or 0:,} of {count_of(run.entities, 'entity', 'entities')} read"
    else:
        far = ", no entities listed yet"
    return f", began {age} ago{far}"


def _way(run: Pending, settings: Settings, given: dict[str, Any]) -> Way:
    if run.fault or run.journal is None:
        return Way(run)
    try:
        asked = msgspec.convert(run.journal.scope, _Asked)
        options, wanted = _options(asked, settings.scope), _wanted(run.journal.wants, settings)
    except (msgspec.ValidationError, UsageError):
        return Way(run, None, "its scope can't be read")
    where = context(given)
    if asked.base_url == settings.webex.base_url:
        where += api_context(given)
    else:
        if not run.is_checked:
            # Whoever wrote the journal would get the token of whoever copies the command.
            return Way(run, None, "its API is not that of this configuration (webex.base_url)")
        options += [("--base-url", asked.base_url)]
    if asked.retried:
        options = [("--retry-failed", asked.retried), *(each for each in options if each[0] == "--base-url")]
    elif not _is_same(run.journal, asked, settings):
        return Way(run, None, "this configuration asks for something else: use the options of that run with --resume")
    options += wanted
    words = ["webex-audit", "run", "--resume", *where, *(word for pair in options for word in pair if word)]
    if not all(word.isprintable() for word in words):
        return Way(run, None, "its scope can't be shown")
    missing = [flags for key, flags in _SELECTIONS.items() if run.journal.scope.get(key)]
    needs = f"with the same {' and '.join(missing)} as before" if missing and not asked.retried else None
    return Way(run, shlex.join(words), needs)


def context(given: dict[str, Any]) -> list[str]:
    """The options of a command that say which configuration and which output the next command needs, too."""
    return [word for flag, name in _CONTEXT.items() if given.get(name) is not None for word in (flag, given[name])]


def api_context(given: dict[str, Any]) -> list[str]:
    """The options of a command that say how the next command reaches the API."""
    words = [word for flag, name in _API.items() if given.get(name) is not None for word in (flag, given[name])]
    return [*words, "--output-shared"] if given.get("output__shared") else words


def as_line(words: list[str]) -> str:
    """A command as a line for the shell."""
    return shlex.join(["webex-audit", *words])


def _options(asked: _Asked, scope: config.ScopeSettings) -> list[tuple[str, str]]:
    """The options that make a configuration ask the same, each with its value; a switch has an empty value."""
    which, *org_ids = asked.organizations
    names = [_known(name).replace("_", "-") for name in asked.datasets]
    options = [("--all-orgs", "")] if which == "all" and not scope.all_orgs else []
    options += [("--org-id", each) for each in org_ids if org_ids != scope.org_ids]
    options += [("--exclude-org", each) for each in asked.excluded if asked.excluded != scope.exclude_orgs]
    options += [("--dataset", each) for each in names if names != scope.datasets]
    kinds = _kinds(asked, scope)
    options += [("--entity", each) for each in kinds if kinds != scope.entities]
    options += [("--all-users", "")] if asked.users == "all" and not scope.all_users else []
    options += [("--site", each) for each in asked.sites if asked.sites != scope.sites]
    return options


def _wanted(wants: dict[str, Any], settings: Settings) -> list[tuple[str, str]]:
    """The options that make a configuration want the same; no option turns a switch off.

    Raises:
        msgspec.ValidationError: a value is not of its key.
    """
    options = []
    for key, now in settings.wants.items():
        value = msgspec.convert(wants.get(key, now), config.keys()[key])
        flag = f"--{config.FLAGS[key]}"
        if value is True and not now:
            options.append((flag, ""))
        elif not isinstance(value, bool) and value != now:
            options += [(flag, each) for each in (value if isinstance(value, list) else [value])]
    return options


def _kinds(asked: _Asked, scope: config.ScopeSettings) -> list[str]:
    """The kinds to name: none if the run would read the same kinds by default."""
    kinds = [kind.lower().replace("_", "-") for kind in asked.entities]
    return [] if kinds == ["workspace"] and not scope.entities else kinds


def _known(name: str) -> str:
    if name not in NAMES:
        raise UsageError(f"unknown dataset {name!r}")
    return name


def _is_same(journal: Journal, asked: _Asked, settings: Settings) -> bool:
    """Whether a run with these options asks for what the journal says, but for a selection."""
    scope = settings.scope
    which, *org_ids = asked.organizations
    wanted = msgspec.structs.replace(
        scope,
        all_orgs=which == "all" or scope.all_orgs,
        org_ids=org_ids or scope.org_ids,
        exclude_orgs=asked.excluded or scope.exclude_orgs,
        datasets=[name.replace("_", "-") for name in asked.datasets],
        entities=_kinds(asked, scope),
        all_users=asked.users == "all" or scope.all_users,
        sites=asked.sites or scope.sites,
    )
    webex = msgspec.structs.replace(settings.webex, base_url=asked.base_url)
    try:
        made = scope_of(msgspec.structs.replace(settings, scope=wanted, webex=webex)).journal(asked.base_url)
    except (UsageError, msgspec.ValidationError, ValueError):
        return False
    apart = {*_SELECTIONS, *(["users"] if asked.users == "named" else [])}
    return all(made[key] == value for key, value in journal.scope.items() if key in made and key not in apart)
