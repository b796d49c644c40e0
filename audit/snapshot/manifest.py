"""The manifest: what a run asked, what was answered, and the files that hold the answers.

A snapshot exists when, and only when, its `manifest.json` does.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from audit.errors import DamagedError, UsageError, words_of
from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID
from audit.storage.content import read_small, write_last
from audit.storage.place import Place

FORMAT_VERSION = 1

#: The id of a snapshot, in a file that anybody may have written.
SnapshotId = Annotated[str, msgspec.Meta(pattern=rf"\A{SNAPSHOT_ID.pattern}\Z")]
#: What decoding raises if a file is damaged.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Largest manifest that is read; a manifest of 10,000 organizations has 20 MB.
MAX_BYTES = 512 << 20

Status = Literal["complete", "partial"]
OrgStatus = Literal["complete", "partial", "refused", "unanswered"]
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
    """

    datasets: list[str]
    entities: list[str]
    entity_ids: int | None = None
    organizations: Literal["own", "named", "all"] = "own"
    excluded: list[str] = []
    users: Literal["self", "named", "all"] | None = None
    user_count: int | None = None
    sites: list[str] = []


class Limit(msgspec.Struct, frozen=True):
    """What a run believed of the limit on requests when it ended.

    Attributes:
        kind: `rate`, `window`, `at-once`, `noise`, or `none`.
        text: the belief in words.
        per_s: requests per second that it lets through, pauses included; None if unknown.
    """

    kind: str
    text: str
    per_s: float | None = None


class Org(msgspec.Struct, frozen=True):
    """An organization of a snapshot.

    Attributes:
        org_id: its UUID, as in the tables.
        name: its display name; None if the token may not read it.
        status: `complete` if every entity has a complete answer, `refused` or `unanswered` if nothing of it could
            be audited.
        entities: the number of its entities in all inventories, without duplicates.
        unlisted: by dataset, the kinds of entity that the token may not list, each with the reason.
        message: what stopped its audit; None if nothing did.
        webex_id: its id in the form that the API takes.
        doubts: by dataset, the kinds of entity of which many are `not_found` although the listing names them, each
            with the counts.
        invalid_items: by dataset, the kinds of entity whose listing holds items without a usable id, each with the
            number of such items: nobody knows what they stand for.
        unnamed_locations: the number of entities whose location has no name, because the names could not be read.
        limit: the limit on requests, as far as the run met it; None if nothing was throttled.
    """

    org_id: str
    name: str | None
    status: OrgStatus
    entities: int
    unlisted: dict[str, dict[str, str]] = {}
    message: str | None = None
    webex_id: str | None = None
    doubts: dict[str, dict[str, str]] = {}
    invalid_items: dict[str, dict[str, int]] = {}
    unnamed_locations: int = 0
    limit: Limit | None = None

    @property
    def is_audited(self) -> bool:
        """Whether anything of it could be audited."""
        return self.status in ("complete", "partial")

    @property
    def is_listed(self) -> bool:
        """Whether each listing could be read, and each item names an entity."""
        return not self.unlisted and not self.invalid_items


class FileEntry(msgspec.Struct, frozen=True):
    """A file of a table: path relative to the snapshot, size in bytes, number of rows, SHA-256 in hexadecimal."""

    path: str
    bytes: int
    rows: int
    sha256: str


class TableEntry(msgspec.Struct, frozen=True):
    """A table: number of rows, digest of the content (`audit.snapshot.digest`), files."""

    rows: int
    digest: str
    files: list[FileEntry]


class Requests(msgspec.Struct, frozen=True):
    """Number of requests of a run: in total, repeated, and answered with 429 or 423."""

    total: int
    retried: int
    throttled: int


class Previous(msgspec.Struct, frozen=True):
    """The newest snapshot of the output before this one, and the SHA-256 of its manifest."""

    snapshot_id: str
    manifest_sha256: str


class Retried(msgspec.Struct, frozen=True):
    """The snapshot whose complete answers were carried over; its files were verified before.

    Attributes:
        snapshot: its id.
        manifest: SHA-256 of its manifest.
        signature: `good` if the key of the run has signed it; `not checked` if the run has no key.
    """

    snapshot: str
    manifest: str
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


class Manifest(msgspec.Struct, frozen=True):
    """The content of `manifest.json`; times are in UTC.

    `invalid_organizations` is the number of items without a usable id in the listing of all organizations; `basis` is
    None in snapshots of older versions.
    """

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
    invalid_organizations: int = 0
    basis: Basis | None = None


#: Signs a snapshot, given its folder and the manifest that is about to be written there.
Seal = Callable[[Place, Manifest], None]


class _Version(msgspec.Struct):
    format_version: int


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
        return msgspec.json.decode(data, type=Manifest)
    except UNDECODABLE as error:
        raise DamagedError(path, words_of(error)) from None
