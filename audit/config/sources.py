"""Where settings come from: flags override environment variables, which override the file and the defaults.

The login of the profile fills in what they leave open of the token. `config.example.toml` documents every key. A key
`section.key` is also the environment variable `WEBEX_AUDIT_SECTION_KEY`; a key with a flag `--some-flag` is
`WEBEX_AUDIT_SOME_FLAG` too.
"""

import logging
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from audit.config.file import CONFIG_VARIABLE, LOOPBACK, ConfigFile, check_local, chosen_file
from audit.config.login import filled_in, read_login, unfinished_login
from audit.config.mismatch import is_number, mismatch, shown
from audit.config.profiles import PROFILE_VARIABLE, Profile, known_profiles, profile_of
from audit.config.settings import Settings
from audit.errors import DamagedError, UsageError, words_of
from audit.files import text_of
from audit.text import did_you_mean
from audit.untrusted.decoding import UndecodableError, toml_of

log = logging.getLogger(__name__)

_PREFIX = "WEBEX_AUDIT_"
#: What stands in keys that people invent for a secret, with the secret and the key that names its file.
_SECRETS = (
    (re.compile(r"(client_?|^|[._])secret$"), "client secret", "webex.client_secret_file"),
    (re.compile(r"refresh(_?token)?$"), "refresh token", "webex.refresh_token_file"),
    (re.compile(r"(token|bearer|password|authorization|api_?key|(^|[._])pat)$"), "token", "webex.token_file"),
    (re.compile(r"notify[._]ur[li]s?$"), "URL", "notify.urls_file"),
    (re.compile(r"sign[._](private_?)?key$"), "key", "sign.key_file"),
)
#: Holds the token itself; `audit.webex.tokens` reads it.
_TOKEN_VARIABLE = "WEBEX_ACCESS_TOKEN"  # noqa: S105
#: Sections of which no value is shown: a user may write a secret itself in place of the name of its file.
_SECRET_SECTIONS = frozenset({"webex", "sign", "notify"})
#: What a key looks like; a secret that is pasted in place of a key is longer, or has other characters.
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,50}")

#: Keys that have a flag, with the name of the flag.
FLAGS = {
    "webex.base_url": "base-url",
    "webex.token_file": "token-file",
    "webex.client_id": "client-id",
    "webex.client_secret_file": "client-secret-file",
    "scope.datasets": "dataset",
    "scope.entities": "entity",
    "scope.org_ids": "org-id",
    "scope.all_orgs": "all-orgs",
    "scope.exclude_orgs": "exclude-org",
    "scope.all_users": "all-users",
    "scope.sites": "site",
    "pace.max_rate": "max-rate",
    "pace.concurrency": "concurrency",
    "output.path": "output",
    "output.shared": "output-shared",
    "output.formats": "format",
    "output.csv_per_org": "csv-per-org",
    "output.csv_dialect": "csv-dialect",
    "output.allow_partial": "allow-partial",
    "run.engine": "engine",
    "run.scheduler": "scheduler",
    "run.deadline": "deadline",
    "run.metrics_file": "metrics-file",
    "run.admin_events": "admin-events",
    "run.admin_events_with_addresses": "admin-events-with-addresses",
    "check.rules_dir": "rules",
    "check.exceptions_file": "exceptions",
    "check.baseline_file": "baseline",
    "check.timeout": "timeout",
    "log.format": "log-format",
}


def keys() -> dict[str, Any]:
    """All keys of the configuration (`section.key`) with their types."""
    return {
        f"{section.name}.{field.name}": field.type
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    }


def variables() -> dict[str, str]:
    """The environment variables that set a key of the configuration, with the key."""
    names = {f"{_PREFIX}{key.replace('.', '_')}".upper(): key for key in keys()}
    return names | {f"{_PREFIX}{flag.replace('-', '_')}".upper(): key for key, flag in FLAGS.items()}


def load(
    config_file: str | None,
    environment: Mapping[str, str],
    flags: Mapping[str, Any],
    profile: str | None = None,
    *,
    makes_profile: bool = False,
    looks_here: bool = False,
) -> Settings:
    """Read the settings.

    Args:
        config_file: path of a TOML file; None for that of the named profile, else for the file that
            `WEBEX_AUDIT_CONFIG` names, else for that of the profile of the environment, else for `webex-audit.toml` in
            the current folder, else for the user's own.
        environment: the process environment.
        flags: values of flags by key; None for a flag that was not given.
        profile: the value of `--profile`, which goes before `WEBEX_AUDIT_PROFILE`.
        makes_profile: the command makes the profile if it does not exist yet.
        looks_here: read the file of the current folder, too.

    Raises:
        UsageError: the file can't be read, a key is unknown, a value has the wrong type, or there is no such profile.
    """
    types = keys()
    chosen = profile_of(profile, environment)
    file = chosen_file(config_file, environment, chosen, profile, looks_here=looks_here)
    tree: dict[str, dict[str, Any]] = {"webex": {}}
    source_of_url = "webex.base_url"
    for origin, values, kind in (
        *_from_file(file),
        *_from_environment(environment),
        *((f"--{FLAGS[key]}", {key: value}, "flag") for key, value in flags.items() if value is not None),
    ):
        for key, value in values.items():
            if key not in types:
                raise UsageError(f"{origin}: {_unknown(key, types)}")
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = _convert(value, types[key], origin, key, kind)
            if key == "webex.base_url":
                source_of_url = f"{origin}: {key}" if kind == "file" else origin
    tree["webex"] |= _from_login(chosen, tree["webex"], makes_profile=makes_profile)
    settings = msgspec.convert(tree, Settings)
    _check_base_url(settings.webex.base_url, source_of_url)
    return settings


def _from_login(profile: Profile, webex: Mapping[str, Any], *, makes_profile: bool) -> dict[str, str]:
    """What the login of a profile fills in; UsageError if the profile does not exist, whatever else names a file."""
    try:
        login = read_login(profile)
    except DamagedError as error:
        log.warning("%s; going on without it", error)
        return {}
    unfinished = None if makes_profile else unfinished_login(profile)
    if unfinished:
        log.warning("%s", unfinished)
    if login is not None:
        return filled_in(login, webex)
    is_needed = not (makes_profile or unfinished)
    if is_needed and profile != Profile() and profile not in (known := known_profiles()):
        names = [each.name for each in known]
        raise UsageError(
            f"there is no profile {profile.name} ('webex-audit login{profile.option}' makes it)"
            f"{did_you_mean(profile.name, names)}"
        )
    return {}


_Kind = Literal["file", "variable", "flag"]
#: A source in words, its values by key, and its kind.
_Source = tuple[str, dict[str, Any], _Kind]


def _from_file(file: ConfigFile) -> list[_Source]:
    path, data = file.path, file.content()
    log.debug("configuration: %s", file)
    if data is None:
        return []
    try:
        content = toml_of(text_of(data))
    except (UndecodableError, UnicodeDecodeError) as error:
        raise UsageError(f"configuration {path} is not TOML: {words_of(error)}") from None
    values: dict[str, Any] = {}
    for section, body in content.items():
        if not isinstance(body, dict):
            advice = _advice_on_secret(section)
            near = f": {advice}" if advice else f" is outside of any section{_nearest(section, keys())}"
            raise UsageError(f"{path}: {_named(section)}{near}")
        values |= {f"{section}.{name}": value for name, value in body.items()}
    if file.is_local:
        check_local(values)
    return [(str(path), values, "file")]


def _from_environment(environment: Mapping[str, str]) -> list[_Source]:
    names = variables()
    sources: list[_Source] = []
    seen: dict[str, str] = {}
    for variable in sorted(environment, key=len):
        if variable.startswith(_PREFIX) and variable not in (CONFIG_VARIABLE, PROFILE_VARIABLE):
            if variable not in names:
                raise UsageError(f"environment: {_unknown_variable(variable, names)}")
            other = seen.setdefault(names[variable], variable)
            if _bare(environment[other]) != _bare(environment[variable]):
                # No value is shown: it may be a secret.
                raise UsageError(f"environment: {other} and {variable} are the same key, with two values: unset one")
            sources.append(
                (f"environment variable {variable}", {names[variable]: _bare(environment[variable])}, "variable")
            )
    return sources


def _unknown_variable(variable: str, names: Mapping[str, str]) -> str:
    if variable.removeprefix(_PREFIX).removeprefix("WEBEX_") in ("TOKEN", "ACCESS_TOKEN"):
        return f"unknown variable {variable}: the token itself is read from {_TOKEN_VARIABLE}"
    if advice := _advice_on_secret(variable.removeprefix(_PREFIX)):
        return f"{_named(variable)}: {advice}"
    # Without the prefix, which all have: it would make any two names similar.
    known = [name.removeprefix(_PREFIX) for name in (*names, CONFIG_VARIABLE, PROFILE_VARIABLE)]
    near = did_you_mean(
        variable.removeprefix(_PREFIX), known, before=_PREFIX, otherwise="; docs/configuration.md lists all variables"
    )
    return f"unknown variable {_named(variable)}{near}"


def _bare(text: str) -> str:
    """The value without what a file of variables (`docker run --env-file`) may add on Windows."""
    return text.removeprefix("\ufeff").rstrip("\r\n")


def _convert(value: Any, wanted: Any, origin: str, key: str, kind: _Kind) -> Any:
    is_text = kind == "variable"
    if isinstance(value, str) and not value.strip():
        # A script whose variable is not set would write its snapshots into the current folder.
        advice = {"file": "leave it out", "variable": "unset it", "flag": "leave it out"}[kind]
        of_key = f": {key}" if kind == "file" else ""
        raise UsageError(f"{origin}{of_key} is empty: {advice}, or give it a value")
    items = [item.strip() for item in value.split(",")] if is_text and _is_list(wanted) else value
    try:
        return msgspec.convert(items, wanted, strict=not is_text)
    except msgspec.ValidationError:
        section, _, name = key.partition(".")
        default = getattr(getattr(Settings(), section), name)
        place = {"file": f"{origin}: {key} =", "variable": f"{origin} =", "flag": origin}[kind]
        is_shown = section not in _SECRET_SECTIONS or is_number(value, wanted)
        given = shown(value) if is_shown else "(not shown)"
        raise UsageError(f"{place} {given}: {mismatch(items, wanted, default)}") from None


def _unknown(key: str, types: Mapping[str, Any]) -> str:
    if advice := _advice_on_secret(key):
        return f"{_named(key)}: {advice}"
    return f"unknown key {_named(key)}{_nearest(key, types)}"


def _advice_on_secret(name: str) -> str:
    """Where a secret belongs, if a name looks as if its value were one; an empty text otherwise."""
    for pattern, secret, key in _SECRETS:
        if pattern.search(name.lower()):
            return f"the {secret} never stands in the configuration: use {key}"
    return ""


def _named(key: str) -> str:
    return key if _KEY.fullmatch(key) else "(not shown: it does not look like a key)"


def _is_list(wanted: Any) -> bool:
    return get_origin(get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted) is list


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    last = [key for key in known if key.rpartition(".")[2] == name.rpartition(".")[2]]
    return did_you_mean(
        name, last or known, otherwise="; config.example.toml lists all keys", cutoff=0 if last else 0.5
    )


def _check_base_url(base_url: str, source: str) -> None:
    try:
        parts = urlsplit(base_url)
        # A percent-encoded @ would hide a login in the host.
        is_good = bool(parts.hostname) and parts.port != 0 and not set(base_url) & set("?#@\\%")
    except ValueError:
        is_good = False
    if not is_good or not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        # Not shown: whatever is not a plain URL may hold a password.
        hint = ", without user and password" if {"@", "%"} & set(base_url) else ""
        raise UsageError(f"{source}: expected a URL such as https://webexapis.com/v1{hint}")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UsageError(
            f"{source} {shown(base_url)}: must be https, because every request carries the token "
            "(http is for this machine only)"
        )
