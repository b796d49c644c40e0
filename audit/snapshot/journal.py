"""What a draft tells beside its rows."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from audit.snapshot.manifest import Requests


class Journal(msgspec.Struct, frozen=True):
    """What a run set out to do: `scope` must be the same for a run that resumes it."""

    snapshot_id: str
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    scope: dict[str, Any]


class PartFacts(msgspec.Struct, frozen=True):
    """What a part's coverage file carries beside the rows.

    Attributes:
        unknown_fields: how often each field occurred in the batch that is in no table.
        requests: those that its writer had made by then.
        is_given_up: its entities were not asked, as their organization had failed; a resumed run asks.
    """

    unknown_fields: dict[str, int]
    requests: Requests
    is_given_up: bool = False
