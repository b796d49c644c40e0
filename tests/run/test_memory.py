"""No answer of any shape takes a run over 400 MiB; what is too long or too much is `invalid_response` of its entity."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from bombs import MIB, MOST_MIB, ORG, Bomb, check_memory, endless, json_bomb, run_against, settings

pytestmark = pytest.mark.attack("memory")

MEMBER = {
    "id": "M" * 70,
    "type": "PEOPLE",
    "firstName": "Alice",
    "lastName": "Smith",
    "displayName": "Alice Smith",
    "email": "alice@example.com",
    "location": {"id": "L" * 70, "name": "Here"},
    "numbers": [{"external": "+14085267209", "extension": "7209", "esn": "87209", "primary": True}],
}


def settings_only(bomb: Bomb) -> Callable[[str], Bomb | None]:
    return lambda path: bomb if "pushToTalk" in path else None


def members_with_unknown_keys(count: int) -> bytes:
    return json.dumps(settings(members=[MEMBER | {f"key{number}": number} for number in range(count)])).encode()


def zipped(*, deflate: bool = False) -> Bomb:
    body = json.dumps(settings(new="x" * 60 * MIB)).encode()
    if deflate:
        return Bomb(zlib.compress(body, 9), headers={"Content-Encoding": "deflate"})
    return Bomb(gzip.compress(body), headers={"Content-Encoding": "gzip"})


def hostile(content: str) -> bytes:
    """Settings with a text of JSON in place of the members."""
    return json.dumps(settings(members="HERE")).replace('"HERE"', content).encode()


@pytest.mark.few(1)
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.slow
def test_a_small_answer_that_unpacks_to_much_fills_no_memory(deflate: bool, tmp_path: Path) -> None:  # noqa: FBT001
    bomb = zipped(deflate=deflate)
    assert isinstance(bomb.body, bytes)
    assert len(bomb.body) < 70_000
    ended = check_memory(run_against(settings_only(bomb), tmp_path / "out"))
    assert ended.outcomes == {"push_to_talk": {"invalid_response": 30}}


@pytest.mark.few(1)
@pytest.mark.parametrize(("members", "count"), [(10_000, 8), (20_000, 4)])
@pytest.mark.slow
def test_many_unknown_fields_fill_no_memory_and_cost_no_row(members: int, count: int, tmp_path: Path) -> None:
    bomb = Bomb(members_with_unknown_keys(members))
    ended = check_memory(run_against(settings_only(bomb), tmp_path / "out", count=count))
    assert ended.outcomes == {"push_to_talk": {"ok": count}}
    assert ended.snapshot
    assert ended.snapshot.manifest.tables["push_to_talk_members"].rows == members * count
    unknown = ended.snapshot.manifest.unknown_fields["push_to_talk"]
    assert len(unknown) == 1001
    assert sum(unknown.values()) == members * count


#: Bodies take seconds to make: each is made by its test.
SHAPES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: hostile("[" + "{}," * 3_000_000 + "{}]"),
    "blank": lambda: hostile("[" + '{"id":""},' * 1_500_000 + "{}]"),
    "deep": lambda: hostile("[" * 5_000_000 + "]" * 5_000_000),
    "a text": lambda: hostile(f'"{"x" * 15 * MIB}"'),
    "a name": lambda: json.dumps(settings(members=[MEMBER | {"displayName": "x" * 10 * MIB}])).encode(),
    "repeated text": lambda: json.dumps(settings(connectionType="x" * 16_000, members=[{"id": "a"}] * 90_000)).encode(),
    "keys": lambda: json.dumps(settings(**{f"k{number}": number for number in range(800_000)})).encode(),
    "surrogates": lambda: b'{"allowAutoAnswer":true,"members":[' + b"\\ud800," * 2_000_000 + b"]}",
}


@pytest.mark.few(3)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.slow
def test_an_answer_of_any_shape_is_the_loss_of_its_entity_alone(shape: str, tmp_path: Path) -> None:
    body = SHAPES[shape]()

    def answers(path: str) -> Bomb | None:
        return None if "room-0000" in path or "pushToTalk" not in path else Bomb(body)

    ended = check_memory(run_against(answers, tmp_path / "out", count=4))
    assert ended.code == 3
    assert ended.outcomes == {"push_to_talk": {"invalid_response": 3, "ok": 1}}


@pytest.mark.faults
def test_a_member_with_many_numbers_is_read_or_refused_and_fills_no_memory(tmp_path: Path) -> None:
    numbers = [
        {"external": f"+1408{number % 1000:07d}", "extension": "1", "primary": True} for number in range(100_000)
    ]
    body = json.dumps(settings(members=[MEMBER | {"numbers": numbers}])).encode()
    ended = check_memory(run_against(settings_only(Bomb(body)), tmp_path / "out", count=2))
    assert ended.outcomes == {"push_to_talk": {"ok": 2}}


@pytest.mark.faults
def test_long_answers_to_many_requests_at_once_fill_no_memory(tmp_path: Path) -> None:
    body = json.dumps(settings(new="x" * (15 * MIB))).encode()
    patient = {"WEBEX_AUDIT_WEBEX_TIMEOUT_S": "100"}
    ended = check_memory(
        run_against(settings_only(Bomb(body)), tmp_path / "out", "--concurrency", 50, count=50, **patient)
    )
    assert ended.outcomes == {"push_to_talk": {"ok": 50}}


@pytest.mark.slow
def test_long_lists_in_every_answer_of_a_batch_fill_no_memory(tmp_path: Path) -> None:
    body = json.dumps(settings(members=[MEMBER] * 4_000)).encode()
    ended = check_memory(run_against(settings_only(Bomb(body)), tmp_path / "out", count=60))
    assert ended.outcomes == {"push_to_talk": {"ok": 60}}
    assert ended.snapshot
    assert ended.snapshot.manifest.tables["push_to_talk_members"].rows == 240_000


@pytest.mark.few(2)
@pytest.mark.parametrize("status", [200, 400, 404, 429, 503])
@pytest.mark.slow
def test_an_endless_body_of_any_status_ends(status: int, tmp_path: Path) -> None:
    headers = {"Retry-After": "1"} if status == 429 else {}
    quick = {"WEBEX_AUDIT_RETRY_THROTTLED_ATTEMPTS": "1", "WEBEX_AUDIT_RUN_STALL_S": "20"}

    def answers(path: str) -> Bomb | None:
        return Bomb(endless(), status, headers) if "room-0001" in path else None

    ended = check_memory(run_against(answers, tmp_path / "out", count=20, **quick))
    assert ended.outcomes["push_to_talk"]["ok"] == 19


@pytest.mark.few(2)
@pytest.mark.parametrize("status", [401, 404, 500])
@pytest.mark.slow
def test_a_long_error_fills_no_memory(status: int, tmp_path: Path) -> None:
    body = json.dumps({"message": "no", "trackingId": "T", "errors": [{"description": "x" * 60 * MIB}]}).encode()
    quick = {"WEBEX_AUDIT_RUN_STALL_S": "20"}

    def answers(path: str) -> Bomb | None:
        return Bomb(body, status) if "room-0001" in path else None

    ended = check_memory(run_against(answers, tmp_path / "out", count=10, **quick))
    assert ended.outcomes["push_to_talk"]["ok"] == 9


@pytest.mark.few(2)
@pytest.mark.parametrize("shape", ["zip", "endless", "long"])
@pytest.mark.slow
def test_a_token_endpoint_of_any_kind_fills_no_memory(shape: str, tmp_path: Path) -> None:
    for name in ("secret", "refresh"):
        (tmp_path / name).write_text(f"the-{name}-of-the-app")
        (tmp_path / name).chmod(0o600)
    app = {
        "WEBEX_AUDIT_WEBEX_CLIENT_ID": "C0ffee",
        "WEBEX_AUDIT_WEBEX_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        "WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE": str(tmp_path / "refresh"),
    }
    bomb = {
        "zip": lambda: Bomb(gzip.compress(bytes(60 * MIB)), headers={"Content-Encoding": "gzip"}),
        "endless": lambda: Bomb(endless()),
        "long": lambda: Bomb(b'{"access_token": "' + b"x" * 60 * MIB + b'"}'),
    }[shape]()

    def answers(path: str) -> Bomb | None:
        return bomb if path == "/v1/access_token" else None

    ended = check_memory(run_against(answers, tmp_path / "out", WEBEX_ACCESS_TOKEN="", **app))
    assert ended.code == 5


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["Link", "Retry-After", "trackingId"])
@pytest.mark.slow
def test_a_header_of_any_length_fills_no_memory(name: str, tmp_path: Path) -> None:
    bomb = json_bomb(settings(), headers={name: "x" * 60 * MIB})
    quick = {"WEBEX_AUDIT_RUN_STALL_S": "20"}

    def answers(path: str) -> Bomb | None:
        return bomb if "room-0001" in path else None

    ended = check_memory(run_against(answers, tmp_path / "out", count=10, **quick))
    assert ended.outcomes == {"push_to_talk": {"ok": 9, "timeout": 1}}


@pytest.mark.slow
def test_very_many_headers_fill_no_memory(tmp_path: Path) -> None:
    bomb = json_bomb(settings(), headers={f"X-{number}": "y" * 1000 for number in range(50_000)})

    def answers(path: str) -> Bomb | None:
        return bomb if "room-0001" in path else None

    ended = check_memory(run_against(answers, tmp_path / "out", count=10, WEBEX_AUDIT_RUN_STALL_S="20"))
    assert ended.outcomes == {"push_to_talk": {"ok": 9, "timeout": 1}}


@pytest.mark.slow
def test_a_name_of_any_length_in_a_listing_is_cut(tmp_path: Path) -> None:
    items = [{"id": f"room-{number}", "displayName": "x" * (MIB // 5)} for number in range(12)]

    def answers(path: str) -> Bomb | None:
        if path.startswith("/v1/workspaces") and "start=" not in path:
            return json_bomb({"items": items})
        return json_bomb(settings(members=[MEMBER] * 1000)) if "pushToTalk" in path else None

    ended = check_memory(run_against(answers, tmp_path / "out"))
    assert ended.outcomes == {"push_to_talk": {"ok": 12}}


PAGES: dict[str, Callable[[], bytes]] = {
    "a name": lambda: json.dumps({"items": [{"id": "a", "displayName": "x" * 60 * MIB}]}).encode(),
    "empty items": lambda: b'{"items": [' + b"{}," * 5_000_000 + b"{}]}",
    "deep": lambda: b'{"items": [' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"]}",
    "a message": lambda: b'{"message": "' + b"\\u00e9" * 2_000_000 + b'", "items": []}',
}


@pytest.mark.few(2)
@pytest.mark.parametrize("shape", PAGES)
@pytest.mark.slow
def test_a_page_of_a_listing_of_any_shape_ends_in_one_line(shape: str, tmp_path: Path) -> None:
    body = PAGES[shape]()

    def answers(path: str) -> Bomb | None:
        return Bomb(body) if path.startswith("/v1/workspaces") else None

    ended = check_memory(run_against(answers, tmp_path / "out"))
    assert ended.code in (3, 5)
    assert "webex-audit: error: " in ended.err or "WARNING" in ended.err or ended.snapshot


@pytest.mark.slow
def test_names_without_end_are_left_out(tmp_path: Path) -> None:
    pages = iter(range(10**9))

    def answers(path: str) -> Bomb | None:
        if path.startswith("/v1/workspaces") and "start=" not in path:
            return json_bomb({"items": [{"id": "room", "locationId": "somewhere"}]})
        if path.startswith("/v1/locations"):
            number = next(pages)
            items = [{"id": f"{number}-{item}", "name": "x" * 900} for item in range(5000)]
            return json_bomb({"items": items}, headers={"Link": f'<{path}&cursor={number}>; rel="next"'})
        return None

    ended = check_memory(run_against(answers, tmp_path / "out"))
    assert ended.outcomes == {"push_to_talk": {"ok": 1}}


def endless_listing(listing: str, item_of: Callable[[int], dict[str, str]], size: int) -> Callable[[str], Bomb | None]:
    """A listing whose pages have no end."""

    def answers(path: str) -> Bomb | None:
        if path.partition("?")[0] == "/v1/workspaces" and "start=" not in path:
            org = next(iter(parse_qs(path.partition("?")[2]).get("orgId", [])), ORG)
            return json_bomb({"items": [{"id": "room", "orgId": org, "locationId": "somewhere"}]})
        if path.partition("?")[0] != listing:
            return None
        number = int(path.rpartition("&page=")[2]) if "&page=" in path else 0
        items = [item_of(number * size + item) for item in range(size)]
        first = path.partition("&page=")[0] if "?" in path else f"{path}?max=1000"
        return json_bomb({"items": items}, headers={"Link": f'<{first}&page={number + 1}>; rel="next"'})

    return answers


def organization_id(number: int) -> str:
    return base64.b64encode(f"ciscospark://us/ORGANIZATION/{UUID(int=number)}".encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("listing", "item_of", "arguments"),
    [
        ("/v1/locations", lambda number: {"id": f"{number:x}", "name": chr(0x4E00 + number % 5000)}, ()),
        ("/v1/licenses", lambda number: {"id": f"{number:x}", "name": "x"}, ("--entity", "person")),
        ("/v1/organizations", lambda number: {"id": organization_id(number), "displayName": "x"}, ()),
    ],
    ids=["locations", "licenses", "organizations"],
)
@pytest.mark.slow
def test_very_many_very_short_names_fill_no_memory(
    listing: str, item_of: Callable[[int], dict[str, str]], arguments: tuple[str, ...], tmp_path: Path
) -> None:
    ended = check_memory(run_against(endless_listing(listing, item_of, 20_000), tmp_path / "out", *arguments))
    assert ended.snapshot
    assert ended.peak_mib < MOST_MIB / 2


@pytest.mark.parametrize(
    "item_of",
    [lambda number: {"id": organization_id(number)}, lambda number: {"id": f"no-id-{number}"}],
    ids=["organizations", "items that name none"],
)
@pytest.mark.slow
def test_organizations_without_end_end_the_run_in_one_line(
    item_of: Callable[[int], dict[str, str]], tmp_path: Path
) -> None:
    answers = endless_listing("/v1/organizations", item_of, 20_000)
    ended = check_memory(run_against(answers, tmp_path / "out", "--all-orgs"))
    assert ended.code == 5
    assert "lists more than 100,000 organizations: name those to audit with --org-id" in ended.err
    assert ended.err.count("\n") < 40


@pytest.mark.slow
def test_names_without_end_of_many_organizations_at_once_fill_no_memory(tmp_path: Path) -> None:
    names = endless_listing("/v1/locations", lambda number: {"id": f"{number:x}", "name": "位置"}, 10_000)

    def answers(path: str) -> Bomb | None:
        if path.startswith("/v1/organizations"):
            return json_bomb({"items": [{"id": organization_id(number)} for number in range(20)]})
        return names(path)

    ended = check_memory(run_against(answers, tmp_path / "out", "--all-orgs"))
    assert ended.outcomes == {"push_to_talk": {"ok": 20}}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("name", "items"),
    [("x", 33_000), ("x" * 120, 18_000), ("x" * 400 + "\N{GRINNING FACE}", 6500)],
    ids=["many items", "large pages", "wide characters"],
)
def test_large_pages_of_many_organizations_at_once_fill_no_memory(name: str, items: int, tmp_path: Path) -> None:
    def answers(path: str) -> Bomb | None:
        if path.startswith("/v1/organizations"):
            return json_bomb({"items": [{"id": organization_id(number)} for number in range(20)]})
        if path.startswith("/v1/workspaces"):
            number = int(path.rpartition("&page=")[2]) if "&page=" in path else 0
            listed = [{"id": f"{number}-{item}", "displayName": name} for item in range(items)]
            body = json.dumps({"items": listed}, ensure_ascii=False).encode()
            following = f"{path.partition('&page=')[0]}&page={number + 1}"
            return Bomb(body, headers={"Link": f'<{following}>; rel="next"'} if number < 2 else {})
        return None

    check_memory(run_against(answers, tmp_path / "out", "--all-orgs", "--deadline", "40s"))


@pytest.mark.faults
def test_the_audio_options_of_a_user_fill_no_memory(tmp_path: Path) -> None:
    audio = {"defaultAudioType": "webexAudio", "audioPin": "1" * 10 * MIB, "officeNumber": {"number": "2" * 5 * MIB}}

    def answers(path: str) -> Bomb | None:
        if "/meetingPreferences/sites" in path:
            return json_bomb({"sites": [{"siteUrl": f"site{number}.example.com"} for number in range(20)]})
        return json_bomb(audio) if "/meetingPreferences/audio" in path else None

    ended = check_memory(run_against(answers, tmp_path / "out", "--dataset", "audio-options"))
    assert ended.outcomes == {"audio_options": {"invalid_response": 20}}
