"""The files of a draft: parts as Arrow files, each with facts about its batch, and counts of requests."""

import msgspec
import pyarrow as pa

from audit.errors import UsageError
from audit.files import IrregularFileError
from audit.output.journal import PartFacts
from audit.snapshot.manifest import UNDECODABLE, Requests
from audit.storage.content import atomic_file, read_arrow, read_small
from audit.storage.place import Place

_METADATA = b"webex-audit"
_MAX_REQUESTS_BYTES = 4096
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def is_damage(error: Exception) -> bool:
    """Whether an error means that a file is damaged or gone, and not that it can't be read at the moment.

    Arrow reports most damage as `OSError` without an error number.
    """
    is_gone = isinstance(error, (FileNotFoundError, IrregularFileError))
    return not isinstance(error, OSError) or error.errno is None or is_gone


#: What readers raise if a file is damaged or gone, or can't be read.
UNREADABLE = (pa.ArrowException, msgspec.DecodeError, OSError, KeyError, TypeError, ValueError, RecursionError)


def write_rows(path: Place, table: pa.Table, facts: PartFacts | None = None) -> None:
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
    with atomic_file(path) as file:
        file.write(content.getvalue())


def read_rows(path: Place) -> pa.Table | None:
    """The rows of a file; None if the file is damaged or gone."""
    try:
        with pa.ipc.open_file(read_arrow(path)) as reader:
            return reader.read_all().replace_schema_metadata(None)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return None


def read_facts(path: Place) -> PartFacts | None:
    """The facts that a file holds beside its rows; None if the file is damaged or gone."""
    try:
        with pa.ipc.open_file(read_arrow(path)) as reader:
            return msgspec.json.decode((reader.schema.metadata or {})[_METADATA], type=PartFacts)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return None


def read_requests(path: Place) -> Requests | None:
    """A count of requests; None if the file is damaged or gone."""
    try:
        return msgspec.json.decode(read_small(path, _MAX_REQUESTS_BYTES) or b"", type=Requests)
    except (UsageError, *UNDECODABLE):
        return None
