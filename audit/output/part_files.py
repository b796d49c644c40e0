"""The files of a draft: parts as Arrow files, each with facts about its batch, and counts of requests."""

import msgspec
import pyarrow as pa

from audit.errors import DamagedError
from audit.files import IrregularFileError
from audit.output.journal import PartFacts
from audit.output.seal import Seal, read_sealed, sealed_file
from audit.snapshot.manifest import Requests
from audit.storage.place import Place

_METADATA = b"webex-audit"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def is_damage(error: Exception) -> bool:
    """Whether an error means that a file is damaged or gone, and not that it can't be read at the moment.

    Arrow reports most damage as `OSError` without an error number.
    """
    is_gone = isinstance(error, (FileNotFoundError, IrregularFileError))
    return not isinstance(error, OSError) or error.errno is None or is_gone


#: What readers raise if a file is damaged or gone, or can't be read.
UNREADABLE = (
    DamagedError,
    pa.ArrowException,
    msgspec.DecodeError,
    OSError,
    KeyError,
    TypeError,
    ValueError,
    RecursionError,
)


def write_rows(path: Place, table: pa.Table, facts: PartFacts | None, seal: Seal) -> None:
    """Write rows, and facts about their batch, as one file.

    Raises:
        OSError: the disk refuses.
    """
    if facts:
        table = table.replace_schema_metadata({_METADATA: msgspec.json.encode(facts)})
    # To memory first: for each buffer, Arrow would need the interpreter, which the event loop uses.
    content = pa.BufferOutputStream()
    with pa.ipc.new_file(content, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    with sealed_file(path, seal) as file:
        file.write(content.getvalue())


def read_rows(path: Place, seal: Seal) -> pa.Table | None:
    """The rows of a file; None if the file is damaged, foreign or gone."""
    try:
        with pa.ipc.open_file(read_sealed(path, seal)) as reader:
            return reader.read_all().replace_schema_metadata(None)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return None


def read_facts(path: Place, seal: Seal) -> PartFacts | None:
    """The facts that a file holds beside its rows; None if the file is damaged, foreign or gone."""
    try:
        with pa.ipc.open_file(read_sealed(path, seal)) as reader:
            return msgspec.json.decode((reader.schema.metadata or {})[_METADATA], type=PartFacts)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return None


def write_requests(path: Place, requests: Requests, seal: Seal) -> None:
    """Write a count of requests; it replaces an earlier count.

    Raises:
        OSError: the disk refuses.
    """
    with sealed_file(path, seal) as file:
        file.write(msgspec.json.encode(requests))


def read_requests(path: Place, seal: Seal) -> Requests | None:
    """A count of requests; None if the file is damaged, foreign or gone."""
    try:
        return msgspec.json.decode(read_sealed(path, seal), type=Requests)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return None
