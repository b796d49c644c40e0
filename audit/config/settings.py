"""The settings: a class for each section, a field with its default for each key."""

import math
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from audit.errors import UsageError
from audit.storage.place import Place, place
from audit.untrusted.decoding import prepared

_DURATION = r"^([0-9]+(\.[0-9]+)?[dhms])+$"
#: A limit of no time at all would stop everything: a check that skips every rule finds nothing.
_LIMIT = _DURATION.replace("^", "^(?=.*[1-9])")
#: What a message shows where the default is empty.
_ORGANIZATIONS = Meta(examples=[["11111111-2222-3333-4444-555555555555"]])
#: Keys that decide what a run makes of its scope; each has a flag.
_WANTS = (
    "run.admin_events",
    "run.admin_events_with_addresses",
    "output.formats",
    "output.csv_per_org",
    "output.csv_dialect",
)
_UNIT_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}

EntityName = Literal["workspace", "person", "virtual-line"]
FormatName = Literal["parquet", "csv"]
CsvDialect = Literal["rfc4180", "excel"]
EngineName = Literal["local", "dask"]
LogFormat = Literal["text", "json"]
NotifyEvent = Literal["failed", "partial", "findings", "always"]


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
    """`[scope]`: what to audit."""

    datasets: Annotated[list[str], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["push-to-talk"])
    entities: list[EntityName] = []
    org_ids: Annotated[list[str], _ORGANIZATIONS] = []
    all_orgs: bool = False
    exclude_orgs: Annotated[list[str], _ORGANIZATIONS] = []
    all_users: bool = False
    sites: Annotated[list[str], Meta(examples=[["example.webex.com"]])] = []


class PaceSettings(msgspec.Struct, frozen=True):
    """`[pace]`: requests per second, and at a time."""

    max_rate: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    start_rate: Annotated[float, Meta(gt=0, le=10_000)] = 80.0
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 50


class RetrySettings(msgspec.Struct, frozen=True):
    """`[retry]`: attempts of one request, including the first."""

    attempts: Annotated[int, Meta(ge=1, le=100)] = 6
    throttled_attempts: Annotated[int, Meta(ge=1, le=1000)] = 30
    budget: Annotated[int, Meta(ge=0, le=100_000)] = 300


class OutputSettings(msgspec.Struct, frozen=True):
    """`[output]`: where snapshots go, who else may write there, and in which formats."""

    path: str = "snapshots"
    shared: bool = False
    formats: Annotated[list[FormatName], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["parquet", "csv"])
    csv_per_org: bool = False
    csv_dialect: CsvDialect = "rfc4180"
    allow_partial: bool = False

    @property
    def folder(self) -> Place:
        """The folder of all snapshots, on this machine or in an object store."""
        return place(self.path)


class RunSettings(msgspec.Struct, frozen=True):
    """`[run]`: what does the work, when a run stops, and the metrics it leaves."""

    engine: EngineName = "local"
    scheduler: str | None = None
    deadline: Annotated[str, Meta(pattern=_LIMIT)] | None = None
    stall_s: Annotated[float, Meta(gt=0)] = 600.0
    resume_within: Annotated[str, Meta(pattern=_DURATION)] = "72h"
    metrics_file: str | None = None
    admin_events: bool = False
    admin_events_with_addresses: bool = False

    @property
    def deadline_s(self) -> float:
        """The deadline in seconds; infinity without a deadline."""
        return seconds_of(self.deadline) if self.deadline else math.inf

    @property
    def resume_within_s(self) -> float:
        """The age in seconds up to which `--resume` continues an unfinished run."""
        return seconds_of(self.resume_within)


class CheckSettings(msgspec.Struct, frozen=True):
    """`[check]`: the policy that the rules of `check` apply. SQL sees what is policy as a variable."""

    allowed_domains: Annotated[list[str], Meta(examples=[["example.com"]])] = []
    forbid_toll_free: bool = False
    forbid_global_call_in: bool = False
    rules_dir: str | None = None
    exceptions_file: str | None = None
    baseline_file: str | None = None
    timeout: Annotated[str, Meta(pattern=_LIMIT)] = "5m"

    @property
    def timeout_s(self) -> float:
        """The seconds that a rule, or a query, may compute."""
        return seconds_of(self.timeout)


class SignSettings(msgspec.Struct, frozen=True):
    """`[sign]`: the key that signs snapshots."""

    key_file: str | None = None


class NotifySettings(msgspec.Struct, frozen=True):
    """`[notify]`: who hears of a run or a check, when, and of what."""

    urls_file: str | None = None
    on: Annotated[list[NotifyEvent], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["failed", "partial", "findings"]
    )
    names: bool = False
    report: str | None = None


class LogSettings(msgspec.Struct, frozen=True):
    """`[log]`: the log on standard error."""

    format: LogFormat = "text"


@prepared
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
    notify: NotifySettings = msgspec.field(default_factory=NotifySettings)
    log: LogSettings = LogSettings()

    @property
    def wants(self) -> dict[str, Any]:
        """The keys that decide what a run makes of its scope, with their values."""
        return {key: getattr(getattr(self, key.split(".")[0]), key.split(".")[1]) for key in _WANTS}


def seconds_of(duration: str, source: str = "time") -> float:
    """The seconds in a time such as `45m`, `1h30m` or `400d`.

    Args:
        duration: the text.
        source: where the text comes from, for the error.

    Raises:
        UsageError: the text is not a time.
    """
    if not re.fullmatch(_DURATION, duration):
        raise UsageError(f"{source} {duration!r}: expected a time in days or less, such as 400d or 12h")
    return sum(float(number) * _UNIT_S[unit] for number, unit in re.findall(r"([0-9.]+)([dhms])", duration))
