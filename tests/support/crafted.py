"""Flawless organizations that tests change, and checks of their snapshots."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from harness import VirtualClock

from audit.config import CheckSettings
from audit.review.check.check import check
from audit.review.check.finding import CheckResult, RuleResult
from audit.review.comparable import find_before
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
Change = Callable[[Organization, Json], Json]
TODAY = date(2026, 11, 22)
#: The scope with everything.
EVERYTHING: dict[str, Any] = {
    "scope__datasets": ["push-to-talk", "audio-options", "answer-settings", "paging-groups"],
    "scope__entities": ["workspace", "person"],
    "scope__all_users": True,
}
POLICY = CheckSettings(allowed_domains=["example.com"], forbid_toll_free=True, forbid_global_call_in=True)


class TickingClock(VirtualClock):
    """A clock that advances with each call, so that every run is later than the one before."""

    ticks = 0

    def now(self) -> datetime:
        self.ticks += 1
        return super().now() + timedelta(seconds=self.ticks)


def crafted(
    *changes: Change,
    audio: Sequence[Change] = (),
    answers: Sequence[Json] = (),
    devices: Sequence[Any] = (),
    workspaces: int = 3,
) -> Organization:
    """An organization without findings, except in its first rooms and users, which tests change."""

    class Crafted(Organization):
        def workspace(self, index: int) -> Json:
            item = super().workspace(index) | {"displayName": f"Room {index}", "calling": {"type": "webexCalling"}}
            return item | {"locationId": self.locations[0]["id"]}

        def devices(self, index: int) -> Any:
            return (
                devices[index]
                if index < len(devices)
                else [{"id": f"phone {index}", "product": "Cisco 8875", "type": "phone"}]
            )

        def refusal(self, index: int) -> int | None:
            return None

        def member(self, index: int) -> Json:
            location = {name: self.locations[0][name] for name in ("id", "name")}
            return super().member(index) | {"location": location}

        def push_to_talk(self, index: int) -> Json:
            answer = {
                "allowAutoAnswer": True,
                "connectionType": "ONE_WAY",
                "accessType": "ALLOW_MEMBERS",
                "members": [self.member(each) for each in (1, 2, 3, 4)],
            }
            return changes[index](self, answer) if index < len(changes) else answer

        def person_push_to_talk(self, index: int) -> Json:
            return {"allowAutoAnswer": False, "connectionType": "ONE_WAY", "accessType": "ALLOW_MEMBERS", "members": []}

        def answer_settings(self, kind: str, index: int) -> Json:
            answer = {"autoAnswerEnabled": False, "preferredAnswerEndpointRequired": False}
            return answer | (answers[index] if kind == "workspace" and index < len(answers) else {})

        def audio(self, index: int, site_url: str) -> Json:
            # Audio options of their own: an answer equal to the caller's is refused.
            number = {"countryCode": "1", "number": f"40852655{index:02d}", "enabledCallInAuthentication": True}
            answer = {
                "defaultAudioType": "webexAudio",
                "enabledGlobalCallIn": False,
                "enabledTollFree": False,
                "audioPin": "2580",
                "officeNumber": number,
                "mobileNumber": number,
            }
            return audio[index](self, answer) if index < len(audio) else answer

    return Crafted(max(workspaces, len(changes)), odd=False, people=8, virtual_lines=0, paging_groups=1)


def two_way(_: Organization, answer: Json) -> Json:
    """The change of a room in which the caller can listen."""
    return answer | {"connectionType": "TWO_WAY"}


def checked(snapshot: Snapshot, settings: CheckSettings = POLICY, *, approved: Snapshot | None = None) -> CheckResult:
    """The results of all rules over a snapshot, compared with the snapshot before."""
    return check(snapshot, find_before(snapshot), settings, today=TODAY, approved=approved)


def result_of(result: CheckResult, rule_id: str) -> RuleResult:
    """The result of one rule."""
    (found,) = [each for each in result.results if each.rule.rule_id == rule_id]
    return found


def statuses(result: CheckResult) -> dict[str, str]:
    """The status of each rule."""
    return {each.rule.rule_id: each.status for each in result.results}
