"""Settings: flags over environment over file over defaults, into one typed tree.

`config.example.toml` documents every key. A key `section.key` is also the environment variable
`WEBEX_AUDIT_SECTION_KEY`; one that has a flag `--some-flag` is `WEBEX_AUDIT_SOME_FLAG` too.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta

from audit.errors import UsageError
from audit.files import expand
from audit.storage.place import Place, place
from audit.text import did_you_mean, mismatch

#: Names the configuration file, where `--config` does not.
CONFIG_VARIABLE = "WEBEX_AUDIT_CONFIG"
_PREFIX = "WEBEX_AUDIT_"
_DURATION = r"^([0-9]+(\.[0-9]+)?[dhms])+$"
_UNIT_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
#: Names under which people write a secret itself, each with the key that names its file.
_SECRETS = {
    "access_token": "webex.token_file",
    "token": "webex.token_file",
    "client_secret": "webex.client_secret_file",
    "refresh_token": "webex.refresh_token_file",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

#: The keys that have a flag, with its name.
FLAGS = {
    "webex.base_url": "base-url",
    "webex.token_file": "token-file",
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
    "output.formats": "format",
    "output.csv_per_org": "csv-per-org",
    "output.allow_partial": "allow-partial",
    "run.engine": "engine",
    "run.scheduler": "scheduler",
    "run.deadline": "deadline",
    "run.metrics_file": "metrics-file",
    "check.rules_dir": "rules",
    "check.exceptions_file": "exceptions",
    "log.format": "log-format",
}

EntityName = Literal["workspace", "person", "virtual-line"]
FormatName = Literal["parquet", "csv"]
EngineName = Literal["local", "dask"]
LogFormat = Literal["text", "json"]


class WebexSettings(msgspec.Struct, frozen=True):
    """`[webex]`: the API and the token."""

    base_url: str = "https://webexapis.com/v1"
    token_file: str | None = None
    token_command: str | None = None
    client_id: str | None = None
    client_secret_file: str | None = None
    refresh_token_file: str | None = None
    ca_file: str | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0


class ScopeSettings(msgspec.Struct, frozen=True):
    """`[scope]`: what is audited."""

    datasets: Annotated[list[str], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["push-to-talk"])
    entities: Annotated[list[EntityName], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["workspace"])
    org_ids: list[str] = []
    all_orgs: bool = False
    exclude_orgs: list[str] = []
    all_users: bool = False
    sites: list[str] = []


class PaceSettings(msgspec.Struct, frozen=True):
    """`[pace]`: requests a second, and at once."""

    max_rate: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    start_rate: Annotated[float, Meta(gt=0, le=10_000)] = 10.0
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 50


class RetrySettings(msgspec.Struct, frozen=True):
    """`[retry]`: tries of one request, the first included."""

    attempts: Annotated[int, Meta(ge=1, le=100)] = 6
    throttled_attempts: Annotated[int, Meta(ge=1, le=1000)] = 30
    budget: Annotated[int, Meta(ge=0, le=100_000)] = 300


class OutputSettings(msgspec.Struct, frozen=True):
    """`[output]`: where snapshots go, and as what."""

    path: str = "snapshots"
    formats: Annotated[list[FormatName], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["parquet", "csv"])
    csv_per_org: bool = False
    allow_partial: bool = False

    @property
    def folder(self) -> Place:
        """The folder of all snapshots, or the prefix of an object store."""
        return place(self.path)


class RunSettings(msgspec.Struct, frozen=True):
    """`[run]`: what does the work, how a run ends, and what it tells a scheduler."""

    engine: EngineName = "local"
    scheduler: str | None = None
    deadline: Annotated[str, Meta(pattern=_DURATION)] | None = None
    stall_s: Annotated[float, Meta(gt=0)] = 600.0
    resume_within: Annotated[str, Meta(pattern=_DURATION)] = "72h"
    metrics_file: str | None = None

    @property
    def deadline_s(self) -> float:
        """The deadline in seconds; infinity where there is none."""
        return seconds_of(self.deadline) if self.deadline else math.inf

    @property
    def resume_within_s(self) -> float:
        """How old an unfinished run may be to be resumed, in seconds."""
        return seconds_of(self.resume_within)


class CheckSettings(msgspec.Struct, frozen=True):
    """`[check]`: what the rules of `check` go by. SQL reads each key but the paths as a variable of its name."""

    allowed_domains: list[str] = []
    forbid_toll_free: bool = False
    forbid_global_call_in: bool = False
    rules_dir: str | None = None
    exceptions_file: str | None = None


class SignSettings(msgspec.Struct, frozen=True):
    """`[sign]`: who vouches for a snapshot."""

    key_file: str | None = None


class LogSettings(msgspec.Struct, frozen=True):
    """`[log]`: what goes to standard error."""

    format: LogFormat = "text"


class Settings(msgspec.Struct, frozen=True):
    """The whole configuration."""

    webex: WebexSettings = WebexSettings()
    scope: ScopeSettings = msgspec.field(default_factory=ScopeSettings)
    pace: PaceSettings = PaceSettings()
    retry: RetrySettings = RetrySettings()
    output: OutputSettings = msgspec.field(default_factory=OutputSettings)
    run: RunSettings = RunSettings()
    check: CheckSettings = msgspec.field(default_factory=CheckSettings)
    sign: SignSettings = SignSettings()
    log: LogSettings = LogSettings()


def seconds_of(duration: str, source: str = "time") -> float:
    """The seconds of a duration such as `45m`, `1h30m` or `400d`.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(_DURATION, duration):
        raise UsageError(f"{source} {duration!r}: expected a time such as 45m, 1h30m or 400d")
    return sum(float(number) * _UNIT_S[unit] for number, unit in re.findall(r"([0-9.]+)([dhms])", duration))


def keys() -> dict[str, Any]:
    """Every key of the configuration (`section.key`) with its type."""
    return {
        f"{section.name}.{field.name}": field.type
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    }


def load(config_file: str | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Read the settings.

    Args:
        config_file: path of a TOML file; None for the one of `WEBEX_AUDIT_CONFIG`, else the user's own if it exists.
        environment: the process environment.
        flags: values of flags by key; None where a flag was not given.

    Raises:
        UsageError: the file can't be read, a key is unknown, or a value is of the wrong type.
    """
    types = keys()
    tree: dict[str, dict[str, Any]] = {}
    for origin, values, kind in (
        *_from_file(config_file or environment.get(CONFIG_VARIABLE)),
        *_from_environment(environment),
        *((f"--{FLAGS[key]}", {key: value}, "flag") for key, value in flags.items() if value is not None),
    ):
        for key, value in values.items():
            if key not in types:
                raise UsageError(f"{origin}: {_unknown(key, types)}")
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = _convert(value, types[key], origin, key, kind)
    settings = msgspec.convert(tree, Settings)
    _check_base_url(settings.webex.base_url)
    return settings


#: Where values come from, in words; the values by key; and what kind of source it is.
_Kind = Literal["file", "variable", "flag"]
_Source = tuple[str, dict[str, Any], _Kind]


def _from_file(named: str | None) -> list[_Source]:
    try:
        path = expand(named) if named else Path(platformdirs.user_config_dir("webex-audit")) / "config.toml"
    except RuntimeError:
        return []  # a user without a home has no configuration there
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        if not named:
            return []
        raise UsageError(f"configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"configuration {path} is not TOML: {error}") from None
    values: dict[str, Any] = {}
    for section, body in content.items():
        if not isinstance(body, dict):
            raise UsageError(f"{path}: {section} stands outside a section{_nearest(section, keys())}")
        values |= {f"{section}.{name}": value for name, value in body.items()}
    return [(str(path), values, "file")]


def _from_environment(environment: Mapping[str, str]) -> list[_Source]:
    names = {f"{_PREFIX}{key.replace('.', '_')}".upper(): key for key in keys()}
    names |= {f"{_PREFIX}{flag.replace('-', '_')}".upper(): key for key, flag in FLAGS.items()}
    sources: list[_Source] = []
    for variable in sorted(environment, key=len):
        if variable.startswith(_PREFIX) and variable != CONFIG_VARIABLE:
            if variable not in names:
                raise UsageError(f"environment: unknown variable {variable}{_nearest(variable, names)}")
            sources.append((f"environment variable {variable}", {names[variable]: environment[variable]}, "variable"))
    return sources


def _convert(value: Any, wanted: Any, origin: str, key: str, kind: _Kind) -> Any:
    is_text = kind == "variable"
    items = [item.strip() for item in value.split(",")] if is_text and _is_list(wanted) else value
    try:
        return msgspec.convert(items, wanted, strict=not is_text)
    except msgspec.ValidationError:
        section, _, name = key.partition(".")
        default = getattr(getattr(Settings(), section), name)
        place = {"file": f"{origin}: {key} =", "variable": f"{origin} =", "flag": origin}[kind]
        raise UsageError(f"{place} {value!r}: {mismatch(items, wanted, default)}") from None


def _unknown(key: str, types: Mapping[str, Any]) -> str:
    name = key.rpartition(".")[2]
    if name in _SECRETS:
        secret = name.replace("_", " ").removeprefix("access ")
        return f"{key}: the {secret} never stands in the configuration: use {_SECRETS[name]}"
    return f"unknown key {key}{_nearest(key, types)}"


def _is_list(wanted: Any) -> bool:
    return get_origin(get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted) is list


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    last = [key for key in known if key.rpartition(".")[2] == name.rpartition(".")[2]]
    return did_you_mean(
        name, last or known, otherwise="; config.example.toml lists all keys", cutoff=0 if last else 0.5
    )


def _check_base_url(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        is_good = bool(parts.hostname) and parts.port != 0 and not set(base_url) & set("?#@")
    except ValueError:
        is_good = False
    if not is_good or not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        shown = re.sub(r"//[^/]*@", "//…@", base_url)
        raise UsageError(f"webex.base_url {shown!r}: expected a URL such as https://webexapis.com/v1")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError(
            f"webex.base_url {base_url!r}: must be https, as the token travels with each request "
            "(http to this machine only)"
        )
