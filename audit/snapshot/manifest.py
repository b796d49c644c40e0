"""The manifest: what a run asked, what was answered, and the files that hold the answers.

A snapshot exists when, and only when, its `manifest.json` does. A manifest is data that anybody may have written. The
types (`audit.snapshot.values`) say what its values may be: ids, names of tables and datasets, paths and counts are of a
fixed form, so whoever uses them need not ask again; names of organizations and messages are any text.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from audit.errors import DamagedError, UsageError, words_of
from audit.snapshot.layout import MANIFEST, is_file_of
from audit.snapshot.org import Org
from audit.snapshot.values import Count, Kind, Name, Sha256, SnapshotId, Time
from audit.storage.content import read_small, write_last
from audit.storage.place import Place
from audit.untrusted.decoding import prepared

FORMAT_VERSION = 1

#: What decoding raises if a file is damaged.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Largest manifest that is read; a manifest of 10,000 organizations has 20 MB.
MAX_BYTES = 64 << 20

_YEARS = (2000, 9000)

Status = Literal["complete", "partial"]
SignatureState = Literal["good", "missing", "of another key", "not checked"]


class Tool(msgspec.Struct, frozen=True):
    """The program that made a snapshot."""

    name: str
    version: str


class Scope(msgspec.Struct, frozen=True):
    """What a run was asked to audit.

    Attributes:
        datasets: names of datasets.
        entities: kinds of entity (`WORKSPACE`, `PERSON`, `VIRTUAL_LINE`).
        entity_ids: the number of workspaces that were named by id; None for all workspaces.
        organizations: the token's own organization, named organizations, or all that the token manages.
        excluded: UUIDs of organizations that were left out.
        users: for datasets by user: the token's own user, named users, or all people.
        user_count: the number of named users.
        sites: the chosen meeting sites; empty for all sites of each user.
        selected: SHA-256 of the workspaces and users that were named; None for none, or of an older version.
    """

    datasets: list[Name]
    entities: list[Kind]
    entity_ids: Count | None = None
    organizations: Literal["own", "named", "all"] = "own"
    excluded: list[str] = []
    users: Literal["self", "named", "all"] | None = None
    user_count: Count | None = None
    sites: list[str] = []
    selected: Sha256 | None = None


class FileEntry(msgspec.Struct, frozen=True):
    """A file of a table: path relative to the snapshot, size in bytes, number of rows, SHA-256 in hexadecimal."""

    path: str
    bytes: Count
    rows: Count
    sha256: Sha256


class TableEntry(msgspec.Struct, frozen=True):
    """A table: number of rows, digest of the content (`audit.snapshot.digest`), files."""

    rows: Count
    digest: Sha256
    files: list[FileEntry]


@prepared
class Requests(msgspec.Struct, frozen=True):
    """Number of requests of a run: in total, repeated, and answered with 429 or 423."""

    total: Count
    retried: Count
    throttled: Count


class Previous(msgspec.Struct, frozen=True):
    """The newest snapshot of the output before this one, and the SHA-256 of its manifest."""

    snapshot_id: SnapshotId
    manifest_sha256: Sha256


class Retried(msgspec.Struct, frozen=True):
    """The snapshot whose complete answers were carried over; its files were verified before.

    Attributes:
        snapshot: its id.
        manifest: SHA-256 of its manifest.
        signature: `good` if the key of the run has signed it; `not checked` if the run has no key.
    """

    snapshot: SnapshotId
    manifest: Sha256
    signature: SignatureState


class Basis(msgspec.Struct, frozen=True):
    """What a snapshot is made from, besides the answers to its own run.

    Attributes:
        retried: the earlier snapshot; None if no answers were carried over.
        is_resumed: the run continued an unfinished run.
        draft: whether all that was read back from the draft had the keyed digest of its run.
    """

    retried: Retried | None = None
    is_resumed: bool = False
    draft: Literal["checked", "not checked"] = "not checked"

    @property
    def is_sound(self) -> bool:
        """Whether all of it checks out, so that a snapshot made from it may be signed."""
        return self.draft == "checked" and (self.retried is None or self.retried.signature == "good")


@prepared
class Manifest(msgspec.Struct, frozen=True):
    """The content of `manifest.json`; times are in UTC.

    `invalid_organizations` is the number of items without a usable id in the listing of all organizations; `basis` is
    None in snapshots of older versions.
    """

    format_version: int
    snapshot_id: SnapshotId
    tool: Tool
    status: Status
    started_at: Time
    finished_at: Time
    base_url: str
    scope: Scope
    orgs: list[Org]
    tables: dict[Name, TableEntry]
    outcomes: dict[Name, dict[Name, Count]]
    requests: Requests
    unknown_fields: dict[Name, dict[str, Count]]
    previous: Previous | None
    invalid_organizations: Count = 0
    basis: Basis | None = None


#: Signs a snapshot, given its folder and the manifest that is about to be written there.
Seal = Callable[[Place, Manifest], None]


@prepared
class _Version(msgspec.Struct):
    format_version: Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def write_manifest(folder: Place, manifest: Manifest) -> None:
    """Write the manifest, which makes a folder a snapshot: the last step of a commit."""
    write_last(folder / MANIFEST, encode(manifest))


def check_readable(folder: Place) -> None:
    """Check that the manifest of a snapshot can be read from its place, whatever its content.

    Raises:
        UsageError: the manifest can't be read.
    """
    with suppress(DamagedError):
        read_small(folder / MANIFEST, MAX_BYTES)


def read_manifest(folder: Place) -> Manifest:
    """Read the manifest of a snapshot.

    Raises:
        DamagedError: the file is not a manifest.
        UsageError: there is no manifest, or it has a newer format.
    """
    path = folder / MANIFEST
    try:
        data = read_small(path, MAX_BYTES)
        if data is None:
            raise UsageError(f"{folder} is not a snapshot: it has no {MANIFEST}")
        version = msgspec.json.decode(data, type=_Version).format_version
        if version > FORMAT_VERSION:
            raise UsageError(
                f"{path}: format_version {version} is newer than {FORMAT_VERSION}, the newest that this webex-audit "
                "reads: update it"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except UNDECODABLE as error:
        raise DamagedError(path, words_of(error)) from None
    if fault := _fault_of(manifest):
        raise DamagedError(path, fault)
    return manifest


def _fault_of(manifest: Manifest) -> str | None:
    """What is wrong with a manifest beyond its types; None if nothing is."""
    for name, table in manifest.tables.items():
        if not all(is_file_of(name, file.path) for file in table.files):
            return f"a file of table {name} is not where its files are"
    ids = [org.org_id for org in manifest.orgs]
    if len(ids) != len(set(ids)):
        return "it names an organization twice"
    for time in (manifest.started_at, manifest.finished_at):
        # Far from both ends of time, where a calculation fails.
        if time.utcoffset() != timedelta(0) or not _YEARS[0] <= time.year <= _YEARS[1]:
            return "a time is not in UTC, or in no year of ours"
    return None
