"""What is found wrong with a snapshot, and what could not be checked."""

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """Something that differs from what was committed.

    Attributes:
        path: the file, relative to the snapshot's folder; for another snapshot, `<snapshot-id>/manifest.json`.
        message: what is wrong with it.
    """

    path: str
    message: str


class Note(msgspec.Struct, frozen=True):
    """Something that could not be checked, and why. Not a fault."""

    message: str
