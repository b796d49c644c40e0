"""What `verify` says: data that text and JSON are views of."""

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it was committed.

    Attributes:
        path: the file, below the snapshot's folder; of another snapshot, `<snapshot-id>/manifest.json`.
        message: what is wrong with it.
    """

    path: str
    message: str


class Note(msgspec.Struct, frozen=True):
    """Something that could not be checked, and why; no fault."""

    message: str


class Verification(msgspec.Struct, frozen=True):
    """What came of verifying a snapshot.

    Attributes:
        snapshot_id: its id; the name of its folder where the manifest can't be read.
        path: its folder.
        manifest_sha256: SHA-256 of its manifest, which all the rest hangs on; None where it can't be read.
        files: how many files its manifest names.
        tables: how many tables.
        rows: those of all tables.
        chain: ids of the snapshots before it that are still there, the newest first.
        signed_by: id of the key whose signature is good; None where none was asked for.
        faults: none where all is as it was committed.
        notes: what could not be checked.
    """

    snapshot_id: str
    path: str
    manifest_sha256: str | None = None
    files: int = 0
    tables: int = 0
    rows: int = 0
    chain: list[str] = []
    signed_by: str | None = None
    faults: list[Fault] = []
    notes: list[Note] = []
