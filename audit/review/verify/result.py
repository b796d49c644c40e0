"""The result of `verify` as data; text and JSON are views of it."""

import msgspec

from audit.snapshot.proof.fault import Fault, Note


class Verification(msgspec.Struct, frozen=True):
    """The result of verifying a snapshot.

    Attributes:
        snapshot_id: its id; the name of its folder if the manifest can't be read.
        path: its folder.
        manifest_sha256: SHA-256 of its manifest, on which everything else depends; None if it can't be read.
        files: number of files that its manifest names.
        tables: number of tables.
        rows: number of rows of all tables.
        chain: ids of the snapshots before it that still exist, the newest first.
        signed_by: id of the key whose signature is good; None if no key was given.
        faults: empty if everything is as it was committed.
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
