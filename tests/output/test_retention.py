"""What is kept of each scope: laws that hold for any snapshots, and the plan that a user sees."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crafted import Audit, TickingClock
from harness import Result, visible
from hypothesis import given
from hypothesis import strategies as st

from audit.cli import views
from audit.inventory import Users
from audit.output.prune import Folder
from audit.output.retention import PERIODS, Keep, decide
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import list_snapshots
from audit.snapshot.manifest import Manifest, Org, Requests, Scope, Status, Tool, write_manifest
from audit.snapshot.scope import scope_digest

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
OWN, OTHER = (Organization(4, seed=seed, people=4) for seed in (1, 2))
LIMITS = ("last", "within_s", *PERIODS)


def manifest_of(number: int, began: datetime, scope: int = 0, status: Status = "complete") -> Manifest:
    org = Org(f"8c9fd285-6500-4518-856e-eb836c6761d{scope % 2}", "Northwind", status, 0)
    return Manifest(
        1,
        f"20261121T190900Z-{number:06x}",
        Tool("webex-audit", "1"),
        status,
        began,
        began,
        "https://h/v1",
        Scope(["push_to_talk"], [["WORKSPACE"], ["PERSON"]][scope // 2]),
        [org],
        {},
        {},
        Requests(0, 0, 0),
        {},
        None,
    )


#: Snapshots in the order of their chain, which need not be that of their clocks.
histories = st.lists(
    st.tuples(
        st.integers(-40, 900).map(lambda hours: NOW - timedelta(hours=hours * 7)),
        st.integers(0, 3),
        st.sampled_from(("complete", "complete", "partial")),
    ),
    max_size=25,
).map(lambda rows: [manifest_of(number, *row) for number, row in enumerate(rows)])
keeps = st.fixed_dictionaries(
    {}, optional={name: st.integers(1, 1 << 20 if name == "within_s" else 6) for name in LIMITS}
).filter(bool)


def kept(history: list[Manifest], limits: dict[str, Any], approved: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    return {each.snapshot_id for each in decide(history, approved, Keep(**limits), NOW) if each.is_kept}


def by_scope(history: list[Manifest]) -> list[list[Manifest]]:
    return [
        [each for each in history if scope_digest(each) == digest]
        for digest in {scope_digest(each) for each in history}
    ]


@given(histories, keeps)
def test_the_newest_and_the_newest_complete_of_each_scope_are_never_removed(
    history: list[Manifest], limits: dict[str, Any]
) -> None:
    found = kept(history, limits)
    for members in by_scope(history):
        assert members[-1].snapshot_id in found
        assert {each.snapshot_id for each in [m for m in members if m.status == "complete"][-1:]} <= found


@given(histories, keeps, keeps)
def test_limits_together_keep_what_each_keeps_alone(
    history: list[Manifest], one: dict[str, Any], other: dict[str, Any]
) -> None:
    both = one | other
    alone = set[str]().union(*(kept(history, {name: value}) for name, value in both.items()))
    assert kept(history, both) == alone


@given(histories, keeps)
def test_what_is_kept_once_is_kept_again(history: list[Manifest], limits: dict[str, Any]) -> None:
    found = kept(history, limits)
    assert kept([each for each in history if each.snapshot_id in found], limits) == found


@given(histories, keeps)
def test_a_scope_is_kept_as_if_it_were_alone(history: list[Manifest], limits: dict[str, Any]) -> None:
    alone = set[str]().union(*(kept(members, limits) for members in by_scope(history)))
    assert kept(history, limits) == alone


@given(histories, keeps, st.data())
def test_what_is_approved_stays_and_costs_no_other_its_place(
    history: list[Manifest], limits: dict[str, Any], data: st.DataObject
) -> None:
    approved = {each.snapshot_id for each in history if data.draw(st.booleans())}
    assert kept(history, limits, approved) == kept(history, limits) | approved


@given(histories, st.integers(1, 6), st.sampled_from(sorted(PERIODS)))
def test_a_limit_of_periods_keeps_at_most_one_of_each_beside_the_newest(
    history: list[Manifest], count: int, period: str
) -> None:
    for members in by_scope(history):
        found = kept(members, {period: count})
        always = {members[-1].snapshot_id, *[m.snapshot_id for m in members if m.status == "complete"][-1:]}
        assert len(found - always) <= count
        periods = {PERIODS[period](each.started_at) for each in members}
        assert len({PERIODS[period](m.started_at) for m in members if m.snapshot_id in found}) >= min(
            count, len(periods)
        )


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"last": 2}, [5, 6]),
        ({"daily": 3}, [4, 5, 6]),
        ({"daily": 1, "monthly": 2}, [2, 6]),
        ({"weekly": 2}, [4, 6]),
        ({"yearly": 2}, [0, 6]),
        ({"yearly": 9, "last": 1}, [0, 6]),
    ],
)
def test_the_newest_of_each_period_is_kept(limits: dict[str, int], expected: list[int]) -> None:
    began = [
        *(datetime(2025, 12, 31, 2, tzinfo=UTC), datetime(2026, 10, 1, 2, tzinfo=UTC)),
        *(datetime(2026, 10, 31, 2, tzinfo=UTC), datetime(2026, 11, 1, 2, tzinfo=UTC)),
        *(datetime(2026, 11, day, 2, tzinfo=UTC) for day in (8, 20, 21)),
    ]
    history = [manifest_of(number, each) for number, each in enumerate(began)]
    assert kept(history, limits) == {history[number].snapshot_id for number in expected}


def test_a_complete_snapshot_stands_for_its_day_before_a_later_partial_one() -> None:
    morning, noon, next_day = NOW - timedelta(days=1, hours=9), NOW - timedelta(days=1), NOW
    history = [manifest_of(0, morning), manifest_of(1, noon, status="partial"), manifest_of(2, next_day)]
    assert kept(history, {"daily": 2}) == {history[0].snapshot_id, history[2].snapshot_id}


@pytest.mark.parametrize("hours", [-11, 2, 13])
def test_a_day_is_one_of_utc_whatever_zone_a_manifest_is_written_in(hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    before, after = (datetime(2026, 11, 20, 23, 59, tzinfo=UTC), datetime(2026, 11, 21, 0, 1, tzinfo=UTC))
    history = [
        manifest_of(0, before.astimezone(zone)),
        manifest_of(1, after.astimezone(zone)),
        manifest_of(2, (after + timedelta(hours=20)).astimezone(zone)),
    ]
    assert kept(history, {"daily": 2}) == {history[0].snapshot_id, history[2].snapshot_id}


def test_an_iso_week_lies_in_one_year() -> None:
    monday, friday = (datetime(year, month, day, tzinfo=UTC) for year, month, day in ((2026, 12, 28), (2027, 1, 1)))
    assert date(2027, 1, 1).isocalendar()[:2] == (2026, 53)
    history = [manifest_of(0, monday), manifest_of(1, friday)]
    assert kept(history, {"weekly": 5}) == {history[1].snapshot_id}


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def two_scopes(audit: Audit, tmp_path: Path) -> list[str]:
    """One snapshot of people, then three of rooms."""
    simulation = Simulation(OWN)
    audit(simulation, scope__entities=["person"])
    for _ in range(3):
        audit(simulation)
    return [each.path.name for each in list_snapshots(tmp_path / "out")]


def test_the_only_snapshot_of_a_scope_is_not_removed_for_another(
    two_scopes: list[str], webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    people, old, *rooms = two_scopes
    result = webex_audit("prune", "--output", "out", "--keep-last", "2")
    assert result.code == 0
    assert visible(tmp_path / "out") == sorted([people, *rooms])
    assert result.out.splitlines() == [
        "Push-to-Talk of every person, in the token's own organization: Northwind Medical Group",
        f"keep     {people}  the newest",
        "",
        "Push-to-Talk of every workspace, in the token's own organization: Northwind Medical Group",
        f"removed  {old}  complete, older than the last 2",
        f"keep     {rooms[0]}  among the last 2",
        f"keep     {rooms[1]}  the newest",
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"scope__datasets": ["audio-options"]},
        {"scope__datasets": ["push-to-talk", "answer-settings"]},
        {"scope__all_orgs": True},
        {"scope__org_ids": [OTHER.org_id]},
        {"wanted": [OWN.workspace(1)["id"]]},
    ],
)
def test_each_kind_of_scope_is_a_group(other: dict[str, Any], audit: Audit, webex_audit: Callable[..., Result]) -> None:
    simulation = Simulation(OWN, customers=(OTHER,))
    first = audit(simulation, **other)
    for _ in range(3):
        audit(simulation)
    assert webex_audit("prune", "--output", "out", "--keep-last", "1").code == 0
    assert len(list_snapshots(first.path.parent)) == 2
    assert (first.path / "manifest.json").exists()


@pytest.mark.parametrize(
    "selections",
    [
        [{"wanted": [OWN.workspace(index)["id"]]} for index in (1, 2)],
        [{"wanted": [OWN.workspace(index)["id"] for index in indexes]} for indexes in ((1, 2), (2, 3), (1, 3))],
        [
            {"scope__datasets": ["audio-options"], "users": Users("named", (OWN.person(index)["emails"][0],))}
            for index in (1, 2)
        ],
    ],
)
def test_selections_of_the_same_size_are_groups_of_their_own(
    selections: list[dict[str, Any]], audit: Audit, webex_audit: Callable[..., Result]
) -> None:
    simulation = Simulation(OWN)
    once, again = ([audit(simulation, **each) for each in selections] for _ in range(2))
    assert webex_audit("prune", "--output", "out", "--keep-last", "1").code == 0
    left = list_snapshots(again[0].path.parent)
    assert [each.path for each in left] == [each.path for each in again]
    assert not any(each.path.exists() for each in once)


def test_who_is_named_in_another_order_or_case_is_the_same_scope(audit: Audit) -> None:
    simulation, people = Simulation(OWN), [OWN.person(index)["emails"][0] for index in (1, 2)]
    named = (people, [each.upper() for each in reversed(people)])
    scopes = {
        scope_digest(audit(simulation, scope__datasets=["audio-options"], users=Users("named", tuple(each))).manifest)
        for each in named
    }
    assert len(scopes) == 1


def test_two_customers_in_one_folder_are_two_groups(audit: Audit, webex_audit: Callable[..., Result]) -> None:
    """Each audited with a token of its own."""
    first = audit(Simulation(OWN))
    for _ in range(2):
        audit(Simulation(OTHER))
    result = webex_audit("prune", "--output", "out", "--keep-daily", "1", "--json")
    folders = json.loads(result.out)
    assert [each["action"] for each in folders] == ["keep", "removed", "keep"]
    assert len({each["group"]["digest"] for each in folders}) == 2
    assert {org for each in folders for org in each["group"]["organizations"]} == {OWN.name, OTHER.name}
    assert (first.path / "manifest.json").exists()


def test_all_organizations_of_two_partners_are_two_groups(audit: Audit, webex_audit: Callable[..., Result]) -> None:
    """Two profiles with a token each and `--all-orgs` may share a folder."""
    more = Organization(4, seed=3)
    first = audit(Simulation(OWN, customers=(more,)), scope__all_orgs=True)
    second = [audit(Simulation(OTHER), scope__all_orgs=True) for _ in range(2)]
    gone = audit(Simulation(OWN), scope__all_orgs=True)
    result = webex_audit("prune", "--output", "out", "--keep-last", "1")
    assert [each.path for each in list_snapshots(gone.path.parent)] == [second[1].path, gone.path]
    assert [line.split()[:2] for line in result.out.splitlines() if line.startswith(("keep", "removed"))] == [
        ["removed", first.path.name],
        ["keep", gone.path.name],
        ["removed", second[0].path.name],
        ["keep", second[1].path.name],
    ]


@pytest.mark.parametrize("formats", [["csv"], ["csv", "parquet"], ["parquet"]])
def test_a_snapshot_that_nothing_is_compared_with_replaces_none(
    formats: list[str], audit: Audit, webex_audit: Callable[..., Result]
) -> None:
    """`previous` and `check` read Parquet."""
    kept, newest = audit(Simulation(OWN)), audit(Simulation(OWN), output__formats=formats)
    audit(Simulation(OWN), output__formats=formats)
    result = webex_audit("prune", "--output", "out", "--keep-last", "1")
    assert not newest.path.exists()
    assert kept.path.exists() == (formats == ["csv"])
    titles = [line for line in result.out.splitlines() if line.startswith("Push-to-Talk")]
    assert [title.endswith(", as CSV alone") for title in titles] == ([False, True] if formats == ["csv"] else [])


def test_partners_whose_customers_have_the_same_names_are_told_apart() -> None:
    """Names of organizations are not unique."""
    history = [manifest_of(number, NOW, number) for number in (0, 1)]
    history = [
        msgspec.structs.replace(each, scope=Scope(["push_to_talk"], ["WORKSPACE"], organizations="all"))
        for each in history
    ]
    verdicts = decide(history, (), Keep(last=1), NOW)
    folders = [Folder(each.snapshot_id, "keep", each.reason, each.group) for each in verdicts]
    title = "Push-to-Talk of every workspace, in all organizations that the token manages: Northwind"
    lines = [f"{title}\nkeep     {each.snapshot_id}  the newest" for each in history]
    assert views.render_pruned(folders) == "\n\n".join(lines)
    assert len({each.group.newest for each in verdicts}) == 2


def test_the_chain_still_verifies_after_groups_were_pruned(
    two_scopes: list[str], audit: Audit, webex_audit: Callable[..., Result]
) -> None:
    assert webex_audit("prune", "--output", "out", "--keep-last", "1").code == 0
    assert webex_audit("verify", "--output", "out").code == 0
    audit(Simulation(OWN), scope__entities=["person"])
    assert webex_audit("prune", "--output", "out", "--keep-monthly", "1").code == 0
    assert webex_audit("verify", "--output", "out").code == 0


def test_an_approved_snapshot_of_any_scope_stays(
    two_scopes: list[str], webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    _, old, *_ = two_scopes
    assert webex_audit("approve", old, "--output", "out", "--reason", "ok", "--by", "me").code == 0
    result = webex_audit("prune", "--output", "out", "--keep-daily", "1")
    assert f"keep     {old}  approved" in result.out
    assert old in visible(tmp_path / "out")


def test_what_is_no_snapshot_stands_under_a_title_of_its_own(
    two_scopes: list[str], webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "out" / two_scopes[0] / "manifest.json").write_text("{")
    result = webex_audit("prune", "--output", "out", "--keep-last", "9", "--dry-run")
    assert "no snapshots" not in result.out  # one scope is left: a plain list
    (tmp_path / "out" / two_scopes[0] / "manifest.json").unlink()
    manifest = list_snapshots(tmp_path / "out")[0]
    other = msgspec.structs.replace(manifest.manifest, scope=Scope(["audio_options"], ["PERSON"]))
    write_manifest(manifest.path, other)
    (tmp_path / "out" / "damaged").mkdir()
    (tmp_path / "out" / "damaged" / "manifest.json").write_text("{")
    lines = webex_audit("prune", "--output", "out", "--keep-last", "9", "--dry-run").out.splitlines()
    assert lines[lines.index("no snapshots") + 1].startswith("left     damaged  ")


@pytest.mark.parametrize("flag", ["--keep-daily", "--keep-weekly", "--keep-monthly", "--keep-yearly"])
def test_a_period_of_none_is_refused(flag: str, two_scopes: list[str], webex_audit: Callable[..., Result]) -> None:
    assert webex_audit("prune", "--output", "out", flag, "0").code == 2
