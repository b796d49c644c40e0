"""`run --admin-events`: the administrators' log beside a crawl, which never fails for it."""

import base64
import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from harness import Where, without
from logged import MIDNIGHT, PLAIN, bare, event, logged, rows_of
from nights import NightlyClock
from tampering import recommit

from audit.errors import StoppedError
from audit.run.events import LONGEST, window
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def clock() -> NightlyClock:
    return NightlyClock()


def read(audit: Audit, simulation: Simulation, **flags: Any) -> Snapshot:
    return audit(simulation, run__admin_events=True, **flags)


def asked(simulation: Simulation) -> list[str]:
    return [line for line in simulation.log if "/adminAudit/" in line]


def test_without_the_option_nothing_is_asked_and_nothing_is_written(audit: Audit) -> None:
    simulation = Simulation(PLAIN)
    snapshot = audit(simulation)
    assert asked(simulation) == []
    assert "admin_events" not in snapshot.manifest.tables
    assert snapshot.manifest.orgs[0].admin_events is None


def test_events_are_read_after_the_crawl_from_the_first_read_of_the_snapshot_before(
    audit: Audit, clock: NightlyClock
) -> None:
    first = read(audit, Simulation(PLAIN))
    clock.night = 1
    simulation = Simulation(PLAIN)
    second = read(audit, simulation)
    log = second.manifest.orgs[0].admin_events
    assert log
    assert log.since < first.manifest.started_at <= log.since + timedelta(minutes=16)
    assert second.manifest.started_at < log.until <= second.manifest.finished_at
    requests = asked(simulation)
    assert simulation.log[-len(requests) :] == requests
    assert re.search(
        r"from=2026-11-21T19%3A1\d%3A\d\d\.\d{3}Z&to=2026-11-22T19%3A25%3A\d\d\.\d{3}Z&max=200", requests[0]
    )
    assert (log.status, log.message, log.events) == ("read", None, 4)
    assert [row["created"].hour for row in rows_of(second)] == [0, 6, 12, 18]


def test_events_have_one_row_each_in_the_order_of_their_times(audit: Audit) -> None:
    later, undated = event(2, "2026-11-22T04:00:00.000Z"), event(3, None)
    org = logged(undated, later, event(1), later, event(1))
    snapshot = read(audit, Simulation(org))
    assert [row["event_id"] for row in rows_of(snapshot)] == [event(n)["id"] for n in (1, 2, 3)]
    assert [bool(row["created"]) for row in rows_of(snapshot)] == [True, True, False]
    text = (snapshot.path / "admin_events.csv").read_text()
    assert len(list(csv.reader(text.splitlines()))) == 4


@pytest.mark.parametrize(
    "quirks", ["", "duplicate", "no-link", "no-link,duplicate", "empty-page", "max-null", "lost-link", "endless"]
)
def test_every_page_is_read_by_link_or_by_offset(audit: Audit, quirks: str) -> None:
    org = logged(*(event(number) for number in range(450)))
    snapshot = read(audit, Simulation(org, faults_of={org.org_id: parse(quirks)}))
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (log.events, log.status, log.message) == (450, "read", None)
    assert len(rows_of(snapshot)) == 450


#: Faults of the log alone, with what the manifest says.
FAILURES = {
    "403": ("the scope audit:events_read", "not read"),
    "401": ("refuses the token", "not read"),
    "405-text": ("HTTP 405", "not read"),
    "423-hours": ("HTTP 423", "not read"),
    "200-message": ("HTTP 200|no list|went wrong", "not read"),
    "404": ("HTTP 404", "not read"),
    "400": ("HTTP 400", "not read"),
    "500": ("HTTP 500", "not read"),
    "html": ("an HTML page", "not read"),
    "empty": ("empty", "not read"),
    "malformed": ("not JSON", "not read"),
    "truncated": ("does not answer", "not read"),
    "reset": ("does not answer", "not read"),
    "hang": ("does not answer|after 300 s", "not read"),
    "array": ("not a JSON object", "not read"),
    "302": ("HTTP 302", "not read"),
    "429-long": ("beyond the 300 s that this may take|after 300 s", "not read"),
    "423-long": ("beyond the 300 s that this may take", "not read"),
    "too-long": ("MiB|answer", "not read"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_log_that_fails_is_reported_and_the_snapshot_is_complete(
    audit: Audit, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    words, status = FAILURES[kind]
    snapshot = read(audit, Simulation(PLAIN, Where(kind, "/adminAudit/")))
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (snapshot.manifest.status, log.status, log.events) == ("complete", status, 0)
    assert re.search(words, log.message or "")
    assert [each for each in caplog.records if "administrators' log not read" in each.getMessage()]
    assert snapshot.manifest.tables["push_to_talk"].rows > 0
    assert "admin_events" not in snapshot.manifest.tables


def test_a_token_without_the_scope_is_told_which_scope_it_lacks(audit: Audit) -> None:
    snapshot = read(audit, Simulation(PLAIN, tokens=without("audit:events_read")))
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (snapshot.manifest.status, log.status) == ("complete", "not read")
    assert "audit:events_read" in (log.message or "")


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ("foreign-link", "webexapis.example.net"),
        ("circle", "repeats itself"),
        ("fresh-circle", "repeats itself"),
        ("no-link,no-start", "ignores offset: it may hold more than 200 items"),
        ("unreadable-link,no-start", "can't be read"),
        ("null-item", "3 items that no event has"),
        ("text-item", "3 items that no event has"),
    ],
)
def test_a_listing_that_is_cut_short_keeps_what_was_read_and_says_so(audit: Audit, quirks: str, words: str) -> None:
    org = logged(*(event(number) for number in range(450)))
    snapshot = read(audit, Simulation(org, faults_of={org.org_id: parse(quirks)}))
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (snapshot.manifest.status, log.status) == ("complete", "cut short")
    assert words in (log.message or "")
    assert len(rows_of(snapshot)) == log.events >= 200
    assert snapshot.manifest.orgs[0].context["admin_events"] == log.message


@pytest.mark.parametrize("kind", ["hang", "slow", "423-hours", "503-long"])
def test_the_log_never_costs_a_run_its_deadline(audit: Audit, kind: str) -> None:
    simulation = Simulation(PLAIN, Where(kind, "/adminAudit/"), slow_s=3600.0)
    snapshot = read(audit, simulation, run__deadline="30s")
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (snapshot.manifest.status, log.status) == ("complete", "not read")
    assert snapshot.manifest.finished_at - snapshot.manifest.started_at < timedelta(seconds=31)


def test_without_a_deadline_the_log_takes_a_bounded_time(audit: Audit) -> None:
    org = logged(*(event(number) for number in range(5000)))
    simulation = Simulation(org, Where("slow", "/adminAudit/"), slow_s=20.0)
    snapshot = read(audit, simulation)
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (log.status, 1000 < log.events < 5000) == ("cut short", True)
    assert snapshot.manifest.finished_at - snapshot.manifest.started_at < timedelta(seconds=310)


def test_each_organization_has_a_log_of_its_own(audit: Audit) -> None:
    own, other, third = (logged(event(n), of=replace(PLAIN, seed=n)) for n in (1, 2, 3))
    simulation = Simulation(own, customers=(other, third), faults_of={other.org_id: Where("403", "/adminAudit/")})
    snapshot = read(audit, simulation, scope__all_orgs=True)
    logs = {org.org_id: org.admin_events for org in snapshot.manifest.orgs}
    assert sorted(log.status for log in logs.values() if log) == ["not read", "read", "read"]
    assert len({row["org_id"] for row in rows_of(snapshot)}) == 2
    assert snapshot.manifest.status == "complete"


@pytest.mark.parametrize("kind", ["lost", "refused"])
def test_an_organization_that_can_not_be_audited_costs_no_request_for_its_log(audit: Audit, kind: str) -> None:
    own, other = PLAIN, replace(PLAIN, seed=2)
    faults = {other.org_id: Where("500" if kind == "lost" else "403", "/")}
    simulation = Simulation(own, customers=(other,), faults_of=faults)
    snapshot = read(audit, simulation, scope__all_orgs=True, output__allow_partial=True)
    assert len({line.partition("orgId=")[2].partition("&")[0] for line in asked(simulation)}) == 1
    assert sorted(org.admin_events.status for org in snapshot.manifest.orgs if org.admin_events) == ["not read", "read"]


def test_a_repeated_run_reads_from_the_snapshot_before_the_one_that_it_completes(
    audit: Audit, clock: NightlyClock
) -> None:
    first = read(audit, Simulation(PLAIN))
    clock.night = 1
    broken = audit(Simulation(PLAIN, Where("500", PLAIN.workspace(0)["id"])))
    clock.night = 2
    again = read(audit, Simulation(PLAIN), retry_failed=broken)
    log = again.manifest.orgs[0].admin_events
    assert log
    assert log.since < first.manifest.started_at
    assert again.manifest.status == "complete"


def test_a_resumed_run_reads_the_log_once_at_its_end(audit: Audit) -> None:
    org = logged(event(1))
    lost = Simulation(org, Where("reset", "/pushToTalk"))
    with pytest.raises(StoppedError):
        read(audit, lost, run__stall_s=5.0)
    assert asked(lost) == []
    simulation = Simulation(org)
    snapshot = read(audit, simulation, is_resuming=True)
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (log.status, log.events, len(asked(simulation))) == ("read", 1, 2)
    assert snapshot.manifest.basis
    assert snapshot.manifest.basis.is_resumed


def test_a_run_that_is_killed_after_the_log_reads_it_again(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise StoppedError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("audit.run.run.commit", die)
        with pytest.raises(StoppedError):
            read(audit, Simulation(logged(event(1), event(2))))
    snapshot = read(audit, Simulation(logged(event(3))), is_resuming=True)
    assert [row["event_id"] for row in rows_of(snapshot)] == [event(3)["id"]]


def test_a_snapshot_of_another_scope_decides_nothing(audit: Audit, clock: NightlyClock) -> None:
    read(audit, Simulation(PLAIN))
    clock.night = 3
    log = read(audit, Simulation(PLAIN), scope__entities=["person"]).manifest.orgs[0].admin_events
    assert log
    assert log.until - log.since == timedelta(hours=24)


def _with_time(rows: pa.Table, at: datetime | None) -> pa.Table:
    place = rows.schema.get_field_index("fetched_at")
    return rows.set_column(place, rows.schema.field(place), pa.array([at] * rows.num_rows, pa.timestamp("us", "UTC")))


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    "at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)]
)
@pytest.mark.slow
def test_a_forged_time_of_a_snapshot_asks_for_no_more_than_a_year(
    audit: Audit, clock: NightlyClock, at: datetime
) -> None:
    recommit(read(audit, Simulation(PLAIN)).path, "coverage", lambda rows: _with_time(rows, at))
    clock.night = 1
    log = read(audit, Simulation(logged())).manifest.orgs[0].admin_events
    assert log
    assert (log.status, log.until - log.since) == ("read", LONGEST)


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("at", [datetime(2199, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), None])
def test_a_forged_time_in_the_future_hides_no_event(audit: Audit, clock: NightlyClock, at: datetime | None) -> None:
    first = read(audit, Simulation(PLAIN))
    recommit(first.path, "coverage", lambda rows: _with_time(rows, at))
    clock.night = 1
    log = read(audit, Simulation(PLAIN)).manifest.orgs[0].admin_events
    assert log
    assert log.since < first.manifest.started_at


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("content", [b"", b"not Parquet", None])
def test_a_damaged_coverage_of_the_snapshot_before_stops_no_run(
    audit: Audit, clock: NightlyClock, content: bytes | None
) -> None:
    first = read(audit, Simulation(PLAIN))
    (path,) = (first.path / "coverage").rglob("*.parquet")
    path.unlink() if content is None else path.write_bytes(content)
    clock.night = 1
    log = read(audit, Simulation(PLAIN)).manifest.orgs[0].admin_events
    assert log
    assert (log.status, log.since < first.manifest.started_at) == ("read", True)


def test_a_window_begins_before_the_first_read_or_a_day_ago() -> None:
    assert window(NOW - timedelta(days=1), NOW).since == NOW - timedelta(days=1, minutes=15)
    for before in (None, NOW + timedelta(days=1)):
        assert window(before, NOW).since == NOW - timedelta(hours=24)
    for days in (364, 400, 700_000):
        assert window(NOW - timedelta(days=days), NOW).since == NOW - LONGEST


ODD_ITEMS: dict[str, Any] = {
    "nothing": {},
    "no data": {"id": "a", "created": MIDNIGHT},
    "null data": {"id": "a", "created": MIDNIGHT, "data": None},
    "text data": {"id": "a", "created": MIDNIGHT, "data": "gone"},
    "list data": {"id": "a", "created": MIDNIGHT, "data": [1]},
    "numbers": {"id": 7, "created": 1_795_316_400_000, "data": {"errorCode": 4410, "targetName": 12, "n": 10**40}},
    "no time": {"id": "a", "created": "yesterday", "data": {"eventCategory": "USERS"}},
    "a year out of range": {"id": "a", "created": "0001-01-01T00:00:00+23:59"},
    "deep": {"id": "a", "data": {"changes": {"a": [{"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}]}}},
    "wide": {"id": "a", "data": {f"field{number}": "x" * 500 for number in range(500)}},
    "long": {
        "id": "a" * 5000,
        "data": {"actionText": "x" * 1_000_000, "targetName": "y" * 1_000_000, "z": "z" * 10**6},
    },
    "slow to search": {
        "id": "a",
        "data": {"actionText": "a-" * 200_000, "v": "xy/1.2 (" * 50_000, "w": "a/b_" * 100_000, "z": "1:" * 200_000},
    },
    "infinite": {"id": "a", "data": {"settingValue": "1e400"}},
    "blank words": {"id": "a", "data": {"eventCategory": ".", "targetType": "", "actorName": True, "targetId": {}}},
}


@pytest.mark.parametrize("name", ODD_ITEMS)
def test_an_event_of_any_shape_becomes_a_row_of_bounded_size(audit: Audit, name: str) -> None:
    snapshot = read(audit, Simulation(logged(ODD_ITEMS[name], event(2))))
    log = snapshot.manifest.orgs[0].admin_events
    assert log
    assert (log.status, log.events) == ("read", 2)
    assert all(len(str(value)) <= 8000 for row in rows_of(snapshot) for value in row.values())
    assert all(json.loads(row["extra"]) for row in rows_of(snapshot) if row["extra"])


def test_enumerations_lose_their_prefix_and_ids_of_each_form_give_their_uuid(audit: Audit) -> None:
    uuid = "8C9FD285-6500-4518-856e-eb836c6761d8"
    forms = (bare(uuid), uuid, bare(f"ciscospark://us/PLACE/{uuid}").rstrip("="), "opaque", "", "x" * 2000)
    given = [
        event(number, targetId=each, targetType="TargetResourceType.PLACE", eventCategory="EventCategory.USERS")
        for number, each in enumerate(forms)
    ]
    rows = rows_of(read(audit, Simulation(logged(*given))))
    uuids = {row["event_id"]: row["target_uuid"] for row in rows}
    assert [uuids[each["id"]] for each in given] == [uuid.lower()] * 3 + [None] * 3
    assert {(row["target_type"], row["category"]) for row in rows} == {("PLACE", "USERS")}


PINS: dict[str, Any] = {
    "text": {"actionText": "The audio PIN was set to 4711."},
    "key": {"audioPin": "4711", "actionText": "Set to 4711."},
    "nested": {"changes": [{"hostPIN": {"new": 4711}}]},
    "setting": {"settingKey": "voicemail_pin", "settingValue": '{"value":"4711"}', "previousValue": "4711"},
    "passcode": {"actionText": "New pass-code: 4711"},
    "other digits": {"actionText": "PIN ４７１１ 4 7 1 1"},
    "password": {"actionText": "Set password to hunter4711", "settingName": "password", "settingValue": "hunter4711"},
    "secret": {"clientSecret": "abc4711def", "actionText": "value abc4711def"},
    "token": {"changes": {"accessToken": {"to": "zzz4711"}}},
    "description": {"eventDescription": "The password is hunter4711 now."},
    "JSON in a text": {"details": '{"a": "{\\"audioPin\\": \\"4711\\"}"}'},
    "German": {"actionText": "Kennwort geändert: Geheim4711"},
    "French": {"actionText": "Le mot de passe est Azerty4711"},
    "Japanese": {"actionText": "パスワード: himitsu4711"},
    "no id": {"targetType": "PIN 4711 of a@b", "targetId": f"4711 PIN /{PLAIN.org_id}"},
}


@pytest.mark.attack("redaction")
@pytest.mark.parametrize("name", PINS)
def test_a_pin_or_secret_in_the_log_is_not_kept(audit: Audit, name: str) -> None:
    snapshot = read(audit, Simulation(logged(event(1, **PINS[name]))))
    files = [path.read_bytes() for path in snapshot.path.rglob("*") if path.is_file()]
    (row,) = rows_of(snapshot)
    kept = " ".join(str(row[column]) for column in ("description", "action_text", "target_type", "target_id", "extra"))
    assert not re.search("4711|４７１１|4 7 1 1", kept)
    assert not any(b"hunter" in each or "４７１１".encode() in each for each in files)
    assert row["event_id"] == event(1)["id"]


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CODED: dict[str, Any] = {
    "JSON": {"details": coded('{"audioPin": "4711"}')},
    "without padding": {"details": coded('{"voicemailPIN": "4711"}').rstrip("=")},
    "the other alphabet": {"details": base64.urlsafe_b64encode('{"PIN": "4711", "x": "ü?>ÿ"}'.encode()).decode()},
    "twice": {"details": coded(coded("hostPin=4711"))},
    "a PIN alone": {"settingName": "PIN", "settingValue": coded("471147")},
    "in a sentence": {"actionText": f"The value is now {coded('the password is hunter')}."},
    "in a URL": {"actionText": f"https://example.com/set/{coded('password=hunter2')}"},
    "an address": {"details": {"from": [coded("203.0.113.9")]}},
    "a name": {"actorName": coded("203.0.113.9")},
}


@pytest.mark.attack("redaction")
@pytest.mark.parametrize("name", CODED)
def test_base64_of_what_must_not_stay_is_not_kept(audit: Audit, name: str) -> None:
    given = re.findall("[A-Za-z0-9+/_-]{8,}", json.dumps([*CODED[name].values()]))
    (row,) = rows_of(read(audit, Simulation(logged(event(1, **CODED[name])))))
    kept = " ".join(str(row[column]) for column in ("action_text", "actor_name", "extra"))
    assert not [part for part in given if part in kept]
    assert "[hidden]" in kept


ADDRESSES: dict[str, Any] = {
    "documented": {"actorIp": "203.0.113.9", "actorUserAgent": "Mozilla/5.0 (X11)"},
    "other keys": {"clientIpAddress": "203.0.113.9", "user-agent": "Mozilla/5.0", "ipv4": "203.0.113.9"},
    "text": {"actionText": "Dana logged in from 203.0.113.9 with Mozilla/5.0 (X11)."},
    "other programs": {"actionText": "203.0.113.9 by curl/8.4.0, okhttp/4.9 and Dart/3 (dart:io)"},
    "JSON in a text": {"details": '{"userAgent": "Mozilla", "actorIp": "203.0.113.9"}'},
    "mapped": {"actionText": "::ffff:203.0.113.9, [::ffff:203.0.113.9]:443 and 203.0.113.9/32"},
    "other spellings": {"actionText": "ec2-203-0-113-9.example.com, 203.000.113.009", "x": "203.0.113.9:80"},
    "version 6": {"actionText": "from 2001:db8::203.0.113.9", "details": {"x": "2001:db8:0:0:0:0:2:9"}},
}


@pytest.mark.attack("redaction")
@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses_of_administrators_are_not_kept_unless_asked_for(audit: Audit, name: str) -> None:
    org = logged(event(1, **ADDRESSES[name]))
    (row,) = rows_of(read(audit, Simulation(org)))
    assert not re.search("113.0{0,2}9|Mozilla|2001:db8:0|curl|okhttp|Dart", str(row))
    (row,) = rows_of(read(audit, Simulation(org), run__admin_events_with_addresses=True))
    assert re.search("203.0.113.9", str(row))


@pytest.mark.attack("redaction")
def test_the_token_in_the_log_is_not_kept(audit: Audit) -> None:
    from audit.redaction import learn  # noqa: PLC0415

    learn("simulated-client-secret-1234")
    text = "x" * 3990 + "simulated-client-secret-1234"
    (row,) = rows_of(read(audit, Simulation(logged(event(1, actionText=text, note="simulated-client-secret-1234")))))
    assert "simulated-client" not in str(row)


@pytest.mark.attack("memory")
def test_a_log_without_end_is_cut_short(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.inventory.events.MOST_EVENTS", 300)
    org = logged(*(event(number) for number in range(1000)))
    log = read(audit, Simulation(org)).manifest.orgs[0].admin_events
    assert log
    assert (log.status, log.events) == ("cut short", 400)


def test_an_organization_without_people_has_a_log_too(audit: Audit) -> None:
    log = read(audit, Simulation(Organization(3, people=0))).manifest.orgs[0].admin_events
    assert log
    assert log.status == "read"
