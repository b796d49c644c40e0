"""What a run finds out of the limit on requests is said, kept, and used by the next run."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result

from audit.run import rates as memory
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.manifest import Manifest, read_manifest
from audit.webex.rate import Belief

BASE_URL, ORG_ID = "https://webexapis.com/v1", "1aa59acb-4041-4ba8-a8cc-996100000000"


def state(tmp_path: Path) -> Path:
    return tmp_path / "home" / "webex-audit" / "rates.json"


@pytest.mark.few(2)
@pytest.mark.parametrize("rate_per_s", [20, 50, 80])
@pytest.mark.slow
def test_the_limit_is_logged_and_stands_in_the_manifest(
    rate_per_s: int, audit: Callable[..., Snapshot], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "audit")
    organization = Organization(30 * rate_per_s, odd=False)
    snapshot = audit(Simulation(organization, rate_limit_per_s=rate_per_s))
    (org,) = read_manifest(snapshot.path).orgs
    assert org.limit is not None
    assert org.limit.kind == "rate"
    assert org.limit.per_s == pytest.approx(rate_per_s, rel=0.25)
    assert org.limit.text.startswith("limited to about ")
    assert [line for line in caplog.messages if line.startswith(f"{organization.name}: limited to about ")]


def test_a_run_that_was_not_throttled_says_nothing_of_limits(
    audit: Callable[..., Snapshot], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "audit")
    snapshot = audit(Simulation(Organization(200)))
    assert snapshot.manifest.orgs[0].limit is None
    assert not [line for line in caplog.messages if "limit" in line]
    assert not state(tmp_path).exists()


def test_a_snapshot_of_an_earlier_version_is_read(audit: Callable[..., Snapshot]) -> None:
    snapshot = audit(Simulation(Organization(3)))
    path = snapshot.path / "manifest.json"
    manifest = json.loads(path.read_bytes())
    del manifest["orgs"][0]["limit"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert isinstance(read_manifest(snapshot.path), Manifest)


@pytest.mark.parametrize(
    "belief",
    [
        Belief("rate", 49.5),
        Belief("window", 5.0, 300, 60.5),
        Belief("at-once", 40.0, 8),
        Belief("noise", 27.5, part=0.02),
    ],
    ids=str,
)
def test_a_belief_is_remembered_for_its_organization(belief: Belief) -> None:
    memory.remember(BASE_URL, ORG_ID, belief)
    memory.remember(BASE_URL, "another", Belief("rate", 3.0))
    assert memory.recall(BASE_URL, ORG_ID) == belief
    assert memory.recall("https://elsewhere.example/v1", ORG_ID) is None


@pytest.mark.parametrize("nothing", [None, Belief(), Belief("noise")], ids=str)
def test_what_says_nothing_leaves_the_memory_alone(nothing: Belief | None) -> None:
    memory.remember(BASE_URL, ORG_ID, Belief("rate", 49.5))
    memory.remember(BASE_URL, ORG_ID, nothing)
    assert memory.recall(BASE_URL, ORG_ID) == Belief("rate", 49.5)


def test_the_rate_that_an_earlier_version_remembered_is_read(tmp_path: Path) -> None:
    state(tmp_path).parent.mkdir(parents=True)
    state(tmp_path).write_text(f'{{"webexapis.com {ORG_ID}": 12.5}}', encoding="utf-8")
    assert memory.recall(BASE_URL, ORG_ID) == Belief("rate", 12.5)


@pytest.mark.parametrize("damaged", ['{"a": "b"}', "[]", "{", '{"webexapis.com x": {"kind": "moon"}}'])
def test_a_damaged_memory_is_no_memory(damaged: str, tmp_path: Path) -> None:
    state(tmp_path).parent.mkdir(parents=True)
    state(tmp_path).write_text(damaged, encoding="utf-8")
    assert memory.recall(BASE_URL, ORG_ID) is None


@pytest.mark.parametrize(
    ("belief", "flags", "rate_per_s"),
    [
        (Belief("rate", 20.0), (), 20.0),
        (Belief("rate", 20.0), ("--max-rate", "4"), 4.0),
        (Belief("noise", 40.0, part=0.02), (), 40.0),
        (Belief("at-once", 16.0, 8), (), 16.0),
        (Belief("window", 5.0, 300, 60.0), (), 5.0),
    ],
    ids=str,
)
@pytest.mark.slow
def test_a_dry_run_estimates_by_the_remembered_limit(
    belief: Belief,
    flags: tuple[str, ...],
    rate_per_s: float,
    api: Callable[[Simulation], str],
    webex_audit: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Organization(50)))
    unknown = json.loads(webex_audit("run", "--base-url", url, "--dry-run", "--json").out)
    assert unknown["rate_per_s"] is None
    memory.remember(url, unknown["organizations"][0]["org_id"], belief)
    plan = json.loads(webex_audit("run", "--base-url", url, "--dry-run", "--json", *flags).out)
    assert plan["rate_per_s"] == rate_per_s
    assert plan["duration_s"] == plan["requests"] / rate_per_s
    assert plan["organizations"][0]["limit"] == str(belief)
    text = webex_audit("run", "--base-url", url, "--dry-run", *flags).out
    assert f"in the last run {belief}" in text


@pytest.mark.slow
def test_show_says_what_limited_the_requests(
    audit: Callable[..., Snapshot], webex_audit: Callable[..., Result]
) -> None:
    snapshot = audit(Simulation(Organization(600, odd=False), rate_limit_per_s=40))
    limit = snapshot.manifest.orgs[0].limit
    assert limit is not None
    assert f"requests: {limit.text}" in webex_audit("show", str(snapshot.path)).out
    shown = json.loads(webex_audit("show", "--json", str(snapshot.path)).out)
    assert "limited to about" in json.dumps(shown)
