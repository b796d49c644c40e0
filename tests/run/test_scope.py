"""A scope that contradicts itself is refused in one line, which says what to leave out or add."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result

from audit.config import Settings
from audit.errors import UsageError
from audit.inventory import Users
from audit.run.scope import scope_of
from audit.simulator.organization import Organization

ONE, TWO = (Organization(1, seed=seed).org_id for seed in (1, 2))
AUDIO = {"scope__datasets": ["audio-options"]}
NAMED = Users("named", ("ann@example.com",))


@pytest.mark.parametrize(
    ("flags", "selected", "advice"),
    [
        ({"scope__all_orgs": True, "scope__org_ids": [ONE]}, {}, "leave out --org-id"),
        ({"scope__exclude_orgs": [ONE]}, {}, "add --all-orgs"),
        ({}, {"users": NAMED}, "add --dataset audio-options"),
        (AUDIO | {"scope__all_users": True}, {"users": NAMED}, "leave out --user and --users-from"),
        (AUDIO, {"wanted": ["id"]}, "add --dataset push-to-talk"),
        (AUDIO | {"scope__all_orgs": True}, {}, "or leave out --dataset audio-options"),
        (AUDIO | {"scope__org_ids": [ONE, TWO]}, {}, "or leave out --dataset audio-options"),
        ({"scope__org_ids": [ONE, TWO]}, {"wanted": ["id"]}, "name only that organization"),
        ({"scope__entities": ["workspace", "person"]}, {"wanted": ["id"]}, "leave out --entity"),
        ({"scope__all_users": True}, {}, "--all-users belongs to --dataset audio-options"),
        ({"scope__sites": ["example.webex.com"]}, {}, "--site belongs to --dataset audio-options"),
        ({"scope__datasets": ["push-to-talks"]}, {}, "did you mean push-to-talk?"),
    ],
)
def test_a_contradiction_is_refused_with_its_remedy(
    flags: dict[str, Any], selected: dict[str, Any], advice: str, settings: Callable[..., Settings]
) -> None:
    with pytest.raises(UsageError) as refused:
        scope_of(settings("http://127.0.0.1:1/v1", **flags), **selected)
    assert advice in str(refused.value)


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["doctor"]])
@pytest.mark.parametrize("host", ["api-usgov.webex.com", "API-USGOV.webex.com", "gateway.usgov.example"])
def test_call_settings_of_people_are_not_offered_to_governments(
    command: list[str], host: str, webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "token")
    given = ["--base-url", f"https://{host}/v1", "--entity", "workspace", "--entity", "person"]
    result = webex_audit(*command, *given)
    assert result.code == 2
    assert "does not offer the call settings of people: leave out --entity person" in result.out + result.err
    assert not Path("snapshots").exists() or not list(Path("snapshots").glob("2*"))


def test_everything_else_is_offered_to_governments(settings: Callable[..., Settings]) -> None:
    url = "https://api-usgov.webex.com/v1"
    assert scope_of(settings(url, scope__entities=["workspace", "virtual-line"])).kinds
    assert scope_of(settings(url, scope__datasets=["audio-options"])).is_by_user
    assert scope_of(settings("https://webexapis.com/v1", scope__entities=["person"])).kinds
