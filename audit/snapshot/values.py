"""The forms of values in a file that anybody may have written: whoever uses them need not ask again."""

from datetime import datetime
from typing import Annotated

import msgspec

from audit.snapshot.layout import SNAPSHOT_ID, UUID

#: The id of a snapshot.
SnapshotId = Annotated[str, msgspec.Meta(pattern=rf"\A{SNAPSHOT_ID.pattern}\Z")]
#: The name of a dataset, a table, or an outcome.
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,59}\Z")]
#: A kind of entity.
Kind = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z][A-Z_]{0,59}\Z")]
#: A UUID, as the names of folders have it.
Uuid = Annotated[str, msgspec.Meta(pattern=rf"\A{UUID}\Z")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
#: A number of something: what a table can hold.
Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
