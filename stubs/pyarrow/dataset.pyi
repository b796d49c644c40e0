from collections.abc import Iterator, Sequence
from typing import Any

from pyarrow import RecordBatch, Schema
from pyarrow.compute import Expression

def __getattr__(name: str) -> Any: ...

class Dataset:
    @property
    def schema(self) -> Schema: ...
    def to_batches(
        self,
        *,
        columns: Sequence[str] | None = None,
        filter: Expression | None = None,
        batch_size: int = 131072,
        batch_readahead: int = 16,
        fragment_readahead: int = 4,
        use_threads: bool = True,
    ) -> Iterator[RecordBatch]: ...

def dataset(source: object, *, format: str | None = None) -> Dataset: ...
