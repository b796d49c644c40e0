"""The manifest: what a run asked, what was answered, and the files that hold it.

A snapshot exists when, and only when, its `manifest.json` does.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from audit.errors import DamagedError, UsageError
from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID
from audit.storage.content import read_small, write_last
from audit.storage.place import Place

FORMAT_VERSION = 1

#: The id of a snapshot, in a file that may be of anybody.
SnapshotId = Annotated[str, msgspec.Meta(pattern=rf"\A{SNAPSHOT_ID.pattern}\Z")]
#: What decoding raises where a file is not what was written there.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Of a manifest; one of 10,000 organizations has 20 MB.
_MAX_BYTES = 512 << 20

Status = Literal["complete", "partial"]
OrgStatus = Literal["complete", "partial", "refused", "unanswered"]


class Tool(msgspec.Struct, frozen=True):
    """The program that made a snapshot."""

    name: str
    version: str


class Scope(msgspec.Struct, frozen=True):
    """What a run was asked to audit.

    Attributes:
        datasets: names of datasets.
        entities: kinds of entity (`WORKSPACE`, `PERSON`, `VIRTUAL_LINE`).
        entity_ids: how many workspaces were asked for by id; None for all that the organization has.
        organizations: the token's own, some that were named, or all that it manages.
        excluded: UUIDs of organizations that were left out.
        users: of datasets by user: the token's own, some that were named, or all people.
        user_count: how many users were named.
        sites: meeting sites that were chosen; none for all that a user has.
    """

    datasets: list[str]
    entities: list[str]
    entity_ids: int | None = None
    organizations: Literal["own", "named", "all"] = "own"
    excluded: list[str] = []
    users: Literal["self", "named", "all"] | None = None
    user_count: int | None = None
    sites: list[str] = []


class Org(msgspec.Struct, frozen=True):
    """An organization of a snapshot.

    Attributes:
        org_id: its UUID, as in the tables.
        name: its display name; None where the token may not read it.
        status: `complete` where every entity has a complete answer, `refused` or `unanswered` where nothing
            of it could be audited.
        entities: how many it has, of all inventories; each counts once.
        unlisted: by dataset, the kinds of entity that the token may not list, each with the reason.
        message: what stopped it, if something did.
        webex_id: its id, as the API takes it.
    """

    org_id: str
    name: str | None
    status: OrgStatus
    entities: int
    unlisted: dict[str, dict[str, str]] = {}
    message: str | None = None
    webex_id: str | None = None

    @property
    def is_audited(self) -> bool:
        """Whether anything of it could be audited."""
        return self.status in ("complete", "partial")


class FileEntry(msgspec.Struct, frozen=True):
    """A file of a table: path below the snapshot's folder, size in bytes, rows, SHA-256 in hexadecimal."""

    path: str
    bytes: int
    rows: int
    sha256: str


class TableEntry(msgspec.Struct, frozen=True):
    """A table: its rows, the digest of its content (`audit.snapshot.digest`), its files."""

    rows: int
    digest: str
    files: list[FileEntry]


class Requests(msgspec.Struct, frozen=True):
    """Requests of a run: all, those that repeated another, those answered with 429 or 423."""

    total: int
    retried: int
    throttled: int


class Previous(msgspec.Struct, frozen=True):
    """The snapshot that was the newest of this output before, and the SHA-256 of its manifest."""

    snapshot_id: str
    manifest_sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """The content of `manifest.json`; times are in UTC."""

    format_version: int
    snapshot_id: str
    tool: Tool
    status: Status
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    finished_at: Annotated[datetime, msgspec.Meta(tz=True)]
    base_url: str
    scope: Scope
    orgs: list[Org]
    tables: dict[str, TableEntry]
    outcomes: dict[str, dict[str, int]]
    requests: Requests
    unknown_fields: dict[str, dict[str, int]]
    previous: Previous | None


#: Signs a snapshot: is given its folder and the manifest that is about to be written there.
Seal = Callable[[Place, Manifest], None]


class _Version(msgspec.Struct):
    format_version: int


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def write_manifest(folder: Place, manifest: Manifest) -> None:
    """Make the files of a folder a snapshot: the last step of a commit."""
    write_last(folder / MANIFEST, encode(manifest))


def check_readable(folder: Place) -> None:
    """Do nothing, if the manifest of a snapshot can be read from where it is, whatever it says.

    Raises:
        UsageError: it can't be read.
    """
    with suppress(DamagedError):
        read_small(folder / MANIFEST, _MAX_BYTES)


def read_manifest(folder: Place) -> Manifest:
    """Read the manifest of a snapshot.

    Raises:
        DamagedError: it is no manifest.
        UsageError: there is none, or it is of a newer format.
    """
    path = folder / MANIFEST
    try:
        data = read_small(path, _MAX_BYTES)
        if data is None:
            raise UsageError(f"{folder} is no snapshot: it has no {MANIFEST}")
        version = msgspec.json.decode(data, type=_Version).format_version
        if version > FORMAT_VERSION:
            raise UsageError(
                f"{path}: format_version {version} is newer than {FORMAT_VERSION}, the newest that this webex-audit "
                "reads: update it"
            )
        return msgspec.json.decode(data, type=Manifest)
    except UNDECODABLE as error:
        raise DamagedError(path, str(error)) from None
