from collections.abc import Iterator, Sequence
from typing import Any, Self

from pyarrow import RecordBatch, Schema, Table

def __getattr__(name: str) -> Any: ...

class SortingColumn:
    @classmethod
    def from_ordering(
        cls, schema: Schema, sort_keys: Sequence[tuple[str, str]], null_placement: str = "at_end"
    ) -> tuple[SortingColumn, ...]: ...

class ParquetFile:
    def __init__(
        self,
        source: object,
        *,
        metadata: object = None,
        read_dictionary: Sequence[str] | None = None,
        memory_map: bool = False,
        buffer_size: int = 0,
    ) -> None: ...
    @property
    def metadata(self) -> Any: ...
    @property
    def num_row_groups(self) -> int: ...
    @property
    def schema_arrow(self) -> Schema: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def iter_batches(
        self,
        batch_size: int = 65536,
        row_groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        use_threads: bool = True,
    ) -> Iterator[RecordBatch]: ...
    def read(self, columns: Sequence[str] | None = None, use_threads: bool = True) -> Table: ...

class ParquetWriter:
    def __init__(
        self,
        where: object,
        schema: Schema,
        *,
        compression: str = "snappy",
        sorting_columns: Sequence[SortingColumn] | None = None,
        write_page_index: bool = False,
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def close(self) -> None: ...
    def write_table(self, table: Table, row_group_size: int | None = None) -> None: ...

def read_metadata(where: object) -> Any: ...
def read_schema(where: object) -> Schema: ...
