import json
import re

from fetching import fetch, statuses

from audit.simulator.app import UNSCOPED_TOKEN, USER_TOKEN, Simulation
from audit.simulator.organization import Organization

ORGANIZATION = Organization(people=2000)
DEFAULT, TRAINING, LEGACY = ORGANIZATION.site_urls
AUDIO = "/meetingPreferences/audio"
SITES = "/meetingPreferences/sites"


def user_on(*sites: str) -> int:
    return next(
        index for index in range(1, 2000) if tuple(site["siteUrl"] for site in ORGANIZATION.sites(index)) == sites
    )


def of(index: int, site_url: str = "") -> str:
    return f"?userEmail=user{index:04d}@example.com" + (f"&siteUrl={site_url}" if site_url else "")


def test_most_users_are_on_the_default_site_alone() -> None:
    found = [tuple(site["siteUrl"] for site in ORGANIZATION.sites(index)) for index in range(2000)]
    assert set(found) == {(DEFAULT,), (DEFAULT, TRAINING), (LEGACY,), ()}
    assert 0.11 < found.count((DEFAULT, TRAINING)) / 2000 < 0.19
    assert 0.015 < found.count((LEGACY,)) / 2000 < 0.045
    assert found[0] == (DEFAULT, TRAINING)
    assert all(sum(site["default"] for site in ORGANIZATION.sites(index)) == bool(found[index]) for index in range(200))


def test_the_sites_bear_the_name_of_the_company() -> None:
    assert ORGANIZATION.site_urls == (
        "northwind.webex.com",
        "northwind-training.webex.com",
        "northwind-legacy.webex.com",
    )
    names = {Organization(seed=seed).name for seed in range(2, 12)}
    assert len(names) == 10
    assert "Northwind Medical Group" not in names
    assert not set(Organization(seed=2).site_urls) & set(ORGANIZATION.site_urls)


def test_audio_differs_by_user_and_site() -> None:
    answers = [json.dumps(ORGANIZATION.audio(index, site)) for index in range(2000) for site in (DEFAULT, TRAINING)]
    assert len(set(answers)) == 4000


def test_the_odd_audio_options_are_all_there() -> None:
    answers = [ORGANIZATION.audio(index, DEFAULT) for index in range(2000)]
    pins = [answer.get("audioPin", "absent") for answer in answers]
    assert {"1234", "4321", "1111", "", "12a4", 2580, None, "absent"} <= set(pins)
    assert any(answer.get("officeNumber", "") is None for answer in answers)
    assert any("mobileNumber" not in answer for answer in answers)
    assert any("futureSetting" in answer for answer in answers)
    assert any(answer["otherTeleconferenceDescription"].startswith("=") for answer in answers)


def test_plain_audio_options_have_valid_pins_or_none() -> None:
    answers = [Organization(odd=False).audio(index, DEFAULT) for index in range(2000)]
    pins = [answer["audioPin"] for answer in answers if "audioPin" in answer]
    assert 0.65 < len(pins) / 2000 < 0.75
    assert all(re.fullmatch("[0-9]{4}", pin) and pin not in {"1234", "4321", "1111", "0000"} for pin in pins)
    assert any(answer["mobileNumber"]["number"] == "" for answer in answers)


def test_an_admin_reads_the_options_of_every_user_on_their_sites() -> None:
    both, legacy = user_on(DEFAULT, TRAINING), user_on(LEGACY)
    expected = {
        AUDIO + of(both): ORGANIZATION.audio(both, DEFAULT),
        AUDIO + of(both).upper().replace("USEREMAIL", "userEmail"): ORGANIZATION.audio(both, DEFAULT),
        AUDIO + of(both, TRAINING): ORGANIZATION.audio(both, TRAINING),
        AUDIO + of(legacy, LEGACY): ORGANIZATION.audio(legacy, LEGACY),
        SITES + of(both): {"sites": ORGANIZATION.sites(both)},
        SITES + of(legacy, LEGACY): {"sites": ORGANIZATION.sites(legacy)},
        AUDIO: ORGANIZATION.audio(0, DEFAULT),
        SITES: {"sites": ORGANIZATION.sites(0)},
    }
    answers = fetch(Simulation(ORGANIZATION), *expected)
    assert [(status, body) for status, body, _ in answers] == [(200, body) for body in expected.values()]
    assert {headers["Content-Type"] for _, _, headers in answers} == {"application/json;charset=UTF-8"}


def test_who_is_not_on_the_addressed_site_is_not_found() -> None:
    default, legacy = user_on(DEFAULT), user_on(LEGACY)
    bot = user_on()
    paths = [of(default, TRAINING), of(legacy), of(legacy, DEFAULT), of(bot), of(9999), of(default, "x.webex.com")]
    assert statuses(Simulation(ORGANIZATION), *(AUDIO + path for path in paths)) == [404] * len(paths)
    assert statuses(Simulation(ORGANIZATION), *(SITES + path for path in paths)) == [404] * len(paths)


def test_without_the_admins_scope_everybodys_options_are_the_callers_own() -> None:
    paths = [AUDIO, AUDIO + of(5), AUDIO + of(9999), AUDIO + of(5, DEFAULT)]
    answers = fetch(Simulation(ORGANIZATION), *paths, SITES + of(5), token=USER_TOKEN)
    assert {status for status, _, _ in answers} == {200}
    assert [body for _, body, _ in answers] == [ORGANIZATION.audio(0, DEFAULT)] * 4 + [{"sites": ORGANIZATION.sites(0)}]


def test_without_any_scope_preferences_are_refused() -> None:
    answers = fetch(Simulation(ORGANIZATION), AUDIO, SITES, AUDIO + of(5), token=UNSCOPED_TOKEN)
    assert [(status, body["message"]) for status, body, _ in answers] == [
        (403, "Not permitted to view or change other user's preferences.")
    ] * 3


def test_a_dead_site_answers_nobody_and_others_go_on() -> None:
    both = user_on(DEFAULT, TRAINING)
    simulation = Simulation(ORGANIZATION, dead_sites=frozenset({TRAINING}))
    paths = [AUDIO + of(both, TRAINING), AUDIO + of(both, DEFAULT), SITES + of(both, TRAINING)]
    answers = fetch(simulation, *paths)
    assert [status for status, _, _ in answers] == [503, 200, 200]
    assert "Retry-After" not in answers[0][2]
    assert statuses(Simulation(ORGANIZATION, dead_sites=frozenset({DEFAULT})), AUDIO + of(both)) == [503]
