"""An entry that accepts findings, as files of exceptions and baselines hold it."""

from datetime import date

import msgspec

from audit.untrusted.decoding import prepared


@prepared
class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a file.

    Attributes:
        rule: id of the rule whose findings are accepted.
        reason: why they are accepted. Empty, as the owner, in a baseline that nobody has filled in.
        owner: who answers for it.
        expires: the last day (UTC) on which the entry is valid; None for no such day, in a baseline.
        org_id: accept findings of this organization only; an empty text is for findings without an organization.
        entity_id: accept findings of this entity only; an empty text is for findings without an entity.
        detail: accept the finding with exactly this text only, such as one member of a room.
        key: accept the finding with exactly this key, whatever its detail says: names in a detail may change.
    """

    rule: str
    reason: str = ""
    owner: str = ""
    expires: date | None = None
    org_id: str | None = None
    entity_id: str | None = None
    detail: str | None = None
    key: str | None = None

    @property
    def last_day(self) -> date:
        """The last day on which the entry is valid."""
        return self.expires or date.max

    @property
    def has_owner(self) -> bool:
        """Whether somebody answers for the entry."""
        return bool(self.owner.strip())

    def in_words(self, today: date) -> str:
        """What the entry says of a finding that it matches, on a day."""
        if self.last_day < today:
            state = f"expired after {self.expires}"
        elif self.expires and self.has_owner and self.reason.strip():
            state = f"accepted until {self.expires}"
        else:
            state = "accepted by the baseline" + (f" until {self.expires}" if self.expires else "")
        if not self.has_owner:
            return f"{state}, without owner" + (f": {self.reason}" if self.reason.strip() else "")
        return (
            f"{state}: {self.reason} ({self.owner})"
            if self.reason.strip()
            else f"{state}, without reason ({self.owner})"
        )
