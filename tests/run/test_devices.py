"""The devices of the workspaces come with their listing; nothing else depends on them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from harness import Result, without
from roomful import BOTH, PLAIN, ROOMS, by_room, expected, first_rooms, gap_of, listings, rooms, rows_of

from audit.review.diff.compare import compare
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import QUIRKS, Faults, parse
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Command = Callable[..., Result]


def test_devices_come_with_the_listing_and_cost_no_request(audit: Audit) -> None:
    simulation = Simulation(PLAIN, max_page=20)
    snapshot = audit(simulation)
    assert by_room(snapshot) == expected(PLAIN)
    assert list(by_room(snapshot)) == sorted(expected(PLAIN))
    assert (len(listings(simulation)), gap_of(snapshot), snapshot.manifest.status) == (3, None, "complete")
    assert [] in expected(PLAIN).values()


def test_a_row_holds_what_the_listing_says_of_a_device(audit: Audit) -> None:
    device = {
        "id": "Y2lz",
        "product": "Cisco 8875",
        "type": "phone",
        "connectionStatus": "offline_deep_sleep",
        "lastSeen": "2023-08-15T16:04:00.444+02:00",
    }
    organization = rooms([device], [])
    found = {row["workspace_id"]: row for row in rows_of(audit(Simulation(organization)))}
    phone, nothing = (found[organization.workspace(index)["id"]] for index in (0, 1))
    assert {name: value for name, value in phone.items() if name not in ("org_id", "workspace_id")} == {
        "device_id": "Y2lz",
        "product": "Cisco 8875",
        "device_type": "phone",
        "connection_status": "offline_deep_sleep",
        "last_seen": datetime(2023, 8, 15, 14, 4, 0, 444_000, tzinfo=UTC),
    }
    assert {value for name, value in nothing.items() if name not in ("org_id", "workspace_id")} == {None}


UNKNOWN: list[Any] = [
    None,
    "none",
    {},
    7,
    False,
    [None],
    ["Y2lz", 7, []],
    [{"product": "Cisco 8875"}],
    [{"id": " "}, {"id": 7}, {"id": ["a"]}, {"id": "a\nb"}, {"id": "a\ud800"}, {"id": "x" * 1001}],
]


def test_no_device_is_said_only_where_the_list_is_empty(audit: Audit) -> None:
    organization = rooms(*UNKNOWN, [])
    snapshot = audit(Simulation(organization))
    assert first_rooms(snapshot, organization, len(UNKNOWN) + 1) == [None] * len(UNKNOWN) + [[]]
    assert gap_of(snapshot) == (
        f"the listing does not say which devices {len(UNKNOWN)} of {ROOMS} workspaces have; "
        "11 listed devices have no usable id"
    )
    assert snapshot.manifest.status == "complete"


USABLE: list[tuple[Any, list[str]]] = [
    ([{"id": "a"}, None], ["a"]),
    ([{"id": "b"}, {"id": "a"}, {"id": "b", "product": "another"}], ["a", "b"]),
    ([{"id": "a", "product": None, "type": ["phone"], "connectionStatus": 3}], ["a"]),
    ([{"id": "é"}, {"id": "z"}, {"id": "\U0001f4de"}, {"id": "\ufb01"}], ["z", "é", "\ufb01", "\U0001f4de"]),
]


def test_an_odd_device_takes_no_other_device_away(audit: Audit) -> None:
    organization = rooms(*(said for said, _ in USABLE))
    snapshot = audit(Simulation(organization))
    assert first_rooms(snapshot, organization, len(USABLE)) == [ids for _, ids in USABLE]
    assert gap_of(snapshot) == "1 listed device has no usable id"
    assert "another" not in {row["product"] for row in rows_of(snapshot)}


@pytest.mark.parametrize(
    ("said", "year"),
    [
        ("2023-08-15T14:04:00.444Z", 2023),
        ("2023-12-31T23:30:00-01:00", 2024),
        ("yesterday", None),
        ("2023-08-15", None),
        ("2023-08-15T14:04:00", None),
        ("2024-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.999-12:00", None),
        (1_692_108_240_444, None),
        ({}, None),
        (None, None),
        ("", None),
    ],
)
def test_a_time_that_no_device_was_seen_at_is_left_out(said: Any, year: int | None, audit: Audit) -> None:
    organization = rooms([{"id": "a", "lastSeen": said}])
    (row,) = [row for row in rows_of(audit(Simulation(organization))) if row["device_id"] == "a"]
    assert (row["last_seen"] and row["last_seen"].year) == year


def test_long_and_hostile_texts_of_a_device_are_bounded_and_made_inert(audit: Audit) -> None:
    organization = rooms([{"id": "a", "product": "x" * 100_000}, {"id": "b", "product": "=cmd|' /C calc'!A0"}])
    snapshot = audit(Simulation(organization))
    products = {row["device_id"]: row["product"] for row in rows_of(snapshot)}
    assert (len(products["a"]), products["b"]) == (500, "=cmd|' /C calc'!A0")
    assert isinstance(snapshot.path, Path)
    assert "\"'=cmd" in (snapshot.path / f"{WORKSPACE_DEVICES}.csv").read_text()


def test_a_workspace_that_is_listed_twice_has_each_device_once(audit: Audit) -> None:
    snapshot = audit(Simulation(PLAIN, parse("duplicate"), max_page=7))
    assert by_room(snapshot) == expected(PLAIN)


def test_a_room_with_ten_thousand_devices_is_read_whole(audit: Audit) -> None:
    snapshot = audit(Simulation(PLAIN, parse("many-devices")))
    assert len(by_room(snapshot)[PLAIN.workspace(0)["id"]]) == 10_000
    assert gap_of(snapshot) is None


@pytest.mark.parametrize("quirk", sorted(each for each in QUIRKS if "devices" in each))
@pytest.mark.slow
def test_nothing_but_the_table_of_devices_depends_on_them(quirk: str, audit: Audit, tmp_path: Path) -> None:
    plain = audit(Simulation(PLAIN), output__path=str(tmp_path / "plain"))
    snapshot = audit(Simulation(PLAIN, parse(quirk), max_page=20))
    assert snapshot.manifest.status == "complete"
    for name in plain.manifest.tables.keys() - {WORKSPACE_DEVICES}:
        assert snapshot.manifest.tables[name].digest == plain.manifest.tables[name].digest


class Refusing(Faults):
    """Refuses whatever asks for devices; a page that is not the first, if so wished."""

    def __init__(self, kind: str, *, first: bool = True) -> None:
        super().__init__()
        self._kind, self._first = kind, first

    def next(self, url: str) -> str | None:
        is_first = "start=" not in url
        return self._kind if "includeDevices" in url and is_first == self._first else None


@pytest.mark.parametrize("kind", ["400", "403", "404", "409", "501", "500", "504", "malformed"])
@pytest.mark.parametrize("page", ["first", "later"])
def test_where_the_api_refuses_to_list_devices_the_run_goes_on_without(
    kind: str, page: str, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation(PLAIN, Refusing(kind, first=page == "first"), max_page=20)
    snapshot = audit(simulation, **BOTH)
    gap = gap_of(snapshot)
    assert gap
    assert gap.startswith("the workspaces are listed without their devices (includeDevices): ")
    assert "scope" not in gap
    (message,) = [message for message in caplog.messages if "includeDevices" in message]
    assert message.endswith(f": {gap}")
    assert (snapshot.manifest.status, rows_of(snapshot)) == ("complete", [])
    assert snapshot.manifest.orgs[0].entities == ROOMS


def test_where_devices_are_left_out_it_is_said_once_and_the_run_is_complete(
    audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = audit(Simulation(PLAIN, parse("no-devices")), **BOTH)
    assert gap_of(snapshot) == "the listing does not say which devices 60 of 60 workspaces have"
    (message,) = [message for message in caplog.messages if "devices" in message]
    assert message.endswith(f": {gap_of(snapshot)}")
    assert (snapshot.manifest.status, rows_of(snapshot)) == ("complete", [])


@pytest.mark.slow
def test_pages_that_devices_make_too_long_are_asked_for_with_fewer_workspaces(audit: Audit) -> None:
    """A page holds at most 3 MiB: 1,000 workspaces with three devices each have more."""
    padded = [{"id": f"{number}", "notes": "x" * 2000} for number in range(3)]

    class Many(Organization):
        def devices(self, index: int) -> list[Json]:
            return padded

    simulation = Simulation(Many(600, odd=False, people=10), max_page=1000)
    snapshot = audit(simulation)
    assert [("max=250" in line, "includeDevices=true" in line) for line in listings(simulation)] == [
        (False, True), *[(True, True)] * 3,
    ]  # fmt: skip
    assert (gap_of(snapshot), len(by_room(snapshot))) == (None, 600)


def test_a_room_whose_devices_fill_a_page_does_not_stop_the_run(audit: Audit) -> None:
    organization = rooms([{"id": f"{number}", "notes": "x" * 2000} for number in range(2000)])
    snapshot = audit(Simulation(organization))
    assert (gap_of(snapshot) or "").endswith(
        "/workspaces can't be listed: a page holds more than 3 MiB or 100,000 values"
    )
    assert (snapshot.manifest.status, rows_of(snapshot)) == ("complete", [])


def test_a_next_link_that_loses_the_parameter_loses_no_device(audit: Audit) -> None:
    simulation = Simulation(PLAIN, parse("lost-devices"), max_page=20)
    assert by_room(audit(simulation)) == expected(PLAIN)


def test_chosen_workspaces_have_their_devices_and_an_unlisted_workspace_has_none_known(audit: Audit) -> None:
    wanted = [PLAIN.workspace(index)["id"] for index in (3, 9)]
    snapshot = audit(Simulation(PLAIN), wanted=[*wanted, "Y2lzY29zcGFyazovL3VzL1BMQUNFL25vbmU"])
    assert by_room(snapshot) == {room: devices for room, devices in expected(PLAIN).items() if room in wanted}
    assert gap_of(snapshot) == "the listing does not say which devices 1 of 3 workspaces have"


@pytest.mark.parametrize(
    "scope",
    [
        {"scope__entities": ["person"]},
        {"scope__datasets": ["paging-groups"]},
        {"scope__datasets": ["audio-options"]},
        {"scope__entities": ["virtual-line"]},
    ],
)
def test_a_run_without_workspaces_has_no_table_of_devices(scope: dict[str, Any], audit: Audit) -> None:
    snapshot = audit(Simulation(PLAIN), **scope)
    assert WORKSPACE_DEVICES not in snapshot.manifest.tables
    assert [org.context for org in snapshot.manifest.orgs] == [{}]


def test_a_token_that_may_not_list_workspaces_has_no_table_of_devices(audit: Audit) -> None:
    simulation = Simulation(PLAIN, tokens=without("spark-admin:workspaces_read"))
    snapshot = audit(simulation, scope__entities=["workspace", "person"])
    assert (snapshot.manifest.status, snapshot.manifest.orgs[0].context) == ("partial", {})


def test_an_organization_without_workspaces_has_an_empty_table(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(0, people=10)), scope__entities=["workspace", "person"])
    assert (rows_of(snapshot), gap_of(snapshot)) == ([], None)


def test_several_datasets_have_one_listing_and_one_table_of_devices(audit: Audit) -> None:
    simulation = Simulation(PLAIN, max_page=1000)
    snapshot = audit(simulation, **BOTH)
    assert len(listings(simulation)) == 1
    assert by_room(snapshot) == expected(PLAIN)


def test_a_device_that_went_offline_changes_no_digest(audit: Audit, tmp_path: Path) -> None:
    class Later(Organization):
        def devices(self, index: int) -> list[Json]:
            offline = {"connectionStatus": "disconnected", "lastSeen": "2026-11-22T08:00:00Z"}
            return [device | offline for device in super().devices(index)]

    before = audit(Simulation(PLAIN))
    after = audit(Simulation(Later(ROOMS, odd=False, people=10)))
    assert rows_of(before) != rows_of(after)
    assert {name: table.digest for name, table in after.manifest.tables.items() if name != "coverage"} == {
        name: table.digest for name, table in before.manifest.tables.items() if name != "coverage"
    }


@pytest.mark.slow
def test_a_device_that_came_or_went_is_no_difference_of_settings(audit: Audit) -> None:
    before = audit(Simulation(PLAIN))
    after = audit(Simulation(rooms([], [{"id": "new"}], None)))
    assert by_room(before) != by_room(after)
    assert list(compare(before, after)) == []


def test_show_says_what_is_missing(audit: Audit, webex_audit: Command, tmp_path: Path) -> None:
    gap = gap_of(audit(Simulation(PLAIN, parse("no-devices"))))
    shown = webex_audit("show", "latest", "--output", tmp_path / "out")
    assert f"{WORKSPACE_DEVICES}: {gap}" in shown.out


def test_a_dry_run_asks_for_no_device(
    api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    simulation = Simulation(PLAIN, parse("devices-refused"), max_page=20)
    result = webex_audit("run", "--dry-run", "--base-url", api(simulation), "--output", tmp_path / "out")
    assert (result.code, len(listings(simulation))) == (0, 3)
    assert "includeDevices" not in "".join(simulation.log)


def test_each_organization_has_the_devices_of_its_own_listing(audit: Audit) -> None:
    other = Organization(40, seed=2, odd=False, people=10)
    simulation = Simulation(PLAIN, customers=(other,), faults_of={other.org_id: parse("devices-refused")})
    snapshot = audit(simulation, scope__all_orgs=True)
    gaps = sorted(org.context[WORKSPACE_DEVICES] or "" for org in snapshot.manifest.orgs)
    assert (gaps[0], gaps[1][:20]) == ("", "the workspaces are l")
    assert by_room(snapshot) == expected(PLAIN)
    assert snapshot.manifest.status == "complete"
