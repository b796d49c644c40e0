"""What travels through Dask, in clear: nothing in here is secret."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from audit import __version__
from audit.config import RunSettings, Settings
from audit.datasets import DATASETS
from audit.errors import AuditError
from audit.files import expand
from audit.output.journal import Journal
from audit.run.scope import RunScope
from audit.snapshot.catalog import find_snapshot
from audit.storage.place import Place


@dataclass(frozen=True)
class Task:
    """What the tasks of a run have in common.

    Attributes:
        journal: of the run.
        settings: as a worker needs them; where a token comes from, each worker looks up on its own machine.
        scope: of the run; datasets and the snapshot to retry are told apart, as they don't travel.
        datasets: their names.
        retry_failed: the snapshot to retry, by its id in the output, or its path.
        has_token_command: tokens come from a command, which a worker has in its own configuration.
        token_file_is_flag: the token file goes before the environment.
        deadline_at: when the run must be over.
        log_level: of the driver.
        version: of the driver's program.
    """

    journal: Journal
    settings: Settings
    scope: RunScope
    datasets: tuple[str, ...]
    retry_failed: str | None
    has_token_command: bool
    token_file_is_flag: bool
    deadline_at: datetime | None
    log_level: int
    version: str = __version__

    def scope_here(self) -> RunScope:
        """The scope of the run; a snapshot to retry may lie in an object store.

        Raises:
            UsageError: the snapshot to retry can't be read here.
        """
        earlier = find_snapshot(self.settings.output.folder, self.retry_failed) if self.retry_failed else None
        return replace(self.scope, datasets=tuple(DATASETS[name] for name in self.datasets), retry_failed=earlier)

    def settings_for(self, ceiling: float | None, threads: int) -> Settings:
        """The settings of one of the threads of a worker, which share its requests at once."""
        concurrency = max(1, self.settings.pace.concurrency // threads)
        pace = msgspec.structs.replace(self.settings.pace, max_rate=ceiling, concurrency=concurrency)
        return msgspec.structs.replace(self.settings, pace=pace)


@dataclass(frozen=True)
class Result:
    """What became of an organization.

    Attributes:
        attempts: of each dataset, the attempt that counts (`audit.output.partition`).
        rate_per_s: the rate that was settled at, if one was.
        error: what stopped it.
    """

    attempts: dict[str, str] = field(default_factory=dict)
    rate_per_s: float | None = None
    error: AuditError | OSError | None = None


def absolute(place: Place) -> str:
    """A place as others may look for it."""
    return str(place.absolute() if isinstance(place, Path) else place)


def travelling(settings: Settings) -> Settings:
    """The settings that a worker needs, without what may hold a secret or is the driver's own matter."""
    webex = settings.webex
    # A worker may be at work in another folder.
    files = {
        name: absolute(expand(path))
        for name in ("token_file", "client_secret_file", "refresh_token_file", "ca_file")
        if (path := getattr(webex, name))
    }
    return Settings(
        # A command line may hold a secret: a worker has its own.
        webex=msgspec.structs.replace(webex, token_command=None, **files),
        pace=settings.pace,
        retry=settings.retry,
        output=msgspec.structs.replace(settings.output, path=absolute(settings.output.folder)),
        run=RunSettings(stall_s=settings.run.stall_s),
    )
