"""What Dask carries between driver and workers: as it may be unencrypted, it holds no secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from audit import __version__
from audit.config import RunSettings, Settings, SignSettings
from audit.datasets import DATASETS
from audit.errors import AuditError
from audit.files import expand
from audit.output.journal import Journal
from audit.run.scope import RunScope
from audit.snapshot.catalog import find_snapshot
from audit.snapshot.source import fetched
from audit.storage.place import Place
from audit.webex.rate import Belief


@dataclass(frozen=True)
class Task:
    """What all tasks of a run share.

    Attributes:
        journal: the journal of the run.
        settings: the settings that a worker needs; each worker finds the token on its own machine.
        scope: the scope of the run, without the datasets and the snapshot to retry, which follow by name.
        datasets: the names of the datasets.
        retry_failed: the snapshot to retry: its id in the output, or its path; and the SHA-256 of its manifest.
        has_token_command: tokens come from a command, which a worker has in its own configuration.
        token_file_is_flag: the token file takes precedence over every other source.
        token_is_configured: the source that the settings name takes precedence over the environment.
        deadline_at: when the run must be over; None without a deadline.
        log_level: the log level of the driver.
        version: the version of webex-audit on the driver.
    """

    journal: Journal
    settings: Settings
    scope: RunScope
    datasets: tuple[str, ...]
    retry_failed: tuple[str, str] | None
    has_token_command: bool
    token_file_is_flag: bool
    token_is_configured: bool
    deadline_at: datetime | None
    log_level: int
    version: str = __version__

    @contextmanager
    def scope_here(self) -> Iterator[RunScope]:
        """The scope of the run on this machine, with a copy of the snapshot to retry, which the driver has verified.

        Raises:
            UsageError: the snapshot to retry can't be read here, or is another one.
            StoppedError: the disk is full.
        """
        scope = replace(self.scope, datasets=tuple(DATASETS[name] for name in self.datasets))
        if self.retry_failed is None:
            yield scope
            return
        name, sha256 = self.retry_failed
        with fetched(find_snapshot(self.settings.output.folder, name), sha256) as source:
            yield replace(scope, retry_failed=source)

    def settings_for(self, ceiling: float | None, threads: int) -> Settings:
        """The settings of one of the threads of a worker, which share its concurrency."""
        concurrency = max(1, self.settings.pace.concurrency // threads)
        pace = msgspec.structs.replace(self.settings.pace, max_rate=ceiling, concurrency=concurrency)
        return msgspec.structs.replace(self.settings, pace=pace)


@dataclass(frozen=True)
class Result:
    """The result for an organization.

    Attributes:
        attempts: of each dataset, the attempt that counts (`audit.output.partition`).
        belief: what the attempt found out of the limit on requests.
        error: what stopped the attempt, if something did.
        is_keyed: the worker has the key of the draft, so its files can be checked (`audit.output.seal`).
    """

    attempts: dict[str, str] = field(default_factory=dict)
    belief: Belief | None = None
    error: AuditError | OSError | None = None
    is_keyed: bool = True


def absolute(place: Place) -> str:
    """A place, independent of the working folder."""
    return str(place.absolute() if isinstance(place, Path) else place)


def traveling(settings: Settings) -> Settings:
    """The settings that a worker needs, without secrets and without what concerns the driver alone."""
    webex = settings.webex
    # A worker may have another working folder.
    files = {
        name: absolute(expand(path))
        for name in ("token_file", "client_secret_file", "refresh_token_file", "ca_file")
        if (path := getattr(webex, name))
    }
    return Settings(
        # A command line may hold a secret; a worker has one of its own.
        webex=msgspec.structs.replace(webex, token_command=None, **files),
        pace=settings.pace,
        retry=settings.retry,
        output=msgspec.structs.replace(settings.output, path=absolute(settings.output.folder)),
        run=RunSettings(stall_s=settings.run.stall_s),
        sign=SignSettings(absolute(expand(settings.sign.key_file)) if settings.sign.key_file else None),
    )
