"""A digest of the content of a table: it does not depend on files, chunks or compression.

Each column is hashed as two streams. For texts, these are the lengths (int32, -1 for null) and the UTF-8 bytes; for
all other types, the values as int64 (times in microseconds, 0 for null) and the validity as bytes. All integers are
little-endian. The digest is the SHA-256 of a JSON list, which has for each column, in order, the entry
`[name, type, SHA-256 of the first stream, SHA-256 of the second stream]`.
"""

import hashlib
import json

import pyarrow as pa
import pyarrow.compute as pc


class ContentDigest:
    """A running digest over the rows of a table, in order.

    Args:
        schema: the columns to digest; other columns of a table are ignored.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._streams = {name: (hashlib.sha256(), hashlib.sha256()) for name in schema.names}

    def update(self, table: pa.Table) -> None:
        """Add rows to the digest."""
        for name, (first, second) in self._streams.items():
            for chunk in table[name].chunks:
                if pa.types.is_string(chunk.type):
                    first.update(_fixed(pc.fill_null(pc.binary_length(chunk), -1), 4))
                    second.update(_text(chunk.drop_null()))
                else:
                    first.update(_fixed(pc.fill_null(chunk.cast(pa.int64()), 0), 8))
                    second.update(_fixed(chunk.is_valid().cast(pa.int8()), 1))

    def hexdigest(self) -> str:
        """The digest of all rows so far, in hexadecimal."""
        columns = [
            [field.name, str(field.type), *(stream.hexdigest() for stream in self._streams[field.name])]
            for field in self._schema
        ]
        return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


def _fixed(array: pa.Array, width: int) -> memoryview:
    values = memoryview(array.buffers()[1] or b"")
    return values[array.offset * width : (array.offset + len(array)) * width]


def _text(array: pa.Array) -> memoryview:
    _, offsets, data = array.buffers()
    if not len(array) or offsets is None or data is None:
        return memoryview(b"")
    ends = memoryview(offsets).cast("B").cast("i")
    return memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]]
