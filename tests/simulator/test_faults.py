import re
from collections import Counter

import pytest

from audit.simulator.faults import KINDS, PASSING, QUIRKS, SURVIVABLE, Faults, explain, parse


def test_a_share_of_reads_fails_and_never_thrice_in_a_row_for_one_url() -> None:
    faults = parse("500=0.3,429=0.2")
    in_a_row: Counter[str] = Counter()
    drawn: Counter[str | None] = Counter()
    for number in range(10_000):
        url = f"/{number % 100}"
        kind = faults.next(url)
        drawn[kind] += 1
        in_a_row[url] = in_a_row[url] + 1 if kind else 0
        assert in_a_row[url] <= 2
    assert 0.2 < drawn["500"] / 10_000 < 0.3
    assert 0.12 < drawn["429"] / 10_000 < 0.2


def test_faults_follow_from_the_seed_and_not_from_the_order_of_requests() -> None:
    urls = [f"/{number}" for number in range(50)]
    there, back = parse("all=0.5", seed=3), parse("all=0.5", seed=3)
    first = {url: there.next(url) for url in urls}
    assert first == {url: back.next(url) for url in reversed(urls)}
    other = parse("all=0.5", seed=4)
    assert first != {url: other.next(url) for url in urls}


def test_a_lasting_fault_stays_with_its_url() -> None:
    faults = parse("404=0.5!")
    fates = {url: {faults.next(url) for _ in range(5)} for url in map(str, range(40))}
    assert all(len(fate) == 1 for fate in fates.values())
    assert {kind for fate in fates.values() for kind in fate} == {"404", None}


def test_a_plan_names_the_requests_that_fail() -> None:
    faults = parse("500@2,reset@3")
    assert [faults.next("/") for _ in range(4)] == [None, "500", "reset", None]


def test_an_outage_fails_every_request_for_its_time() -> None:
    faults = parse("503-bare@3+10")
    now_s = 100.0
    faults.now_s = lambda: now_s
    assert [faults.next("/") for _ in range(4)] == [None, None, "503-bare", "503-bare"]
    now_s = 109.9
    assert faults.next("/") == "503-bare"
    now_s = 110.0
    assert faults.next("/") is None


def test_nothing_is_the_default() -> None:
    assert parse("") == Faults()


@pytest.mark.parametrize(
    "text", ["511=0.1", "500=2", "500=x", "500@x", "quirk", "all=-1", "500@1+0", "500@1+x", "x@1+1"]
)
def test_a_specification_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_the_explanation_names_every_kind_and_quirk() -> None:
    named = set(re.findall(r"^  (\S+)", explain(), re.MULTILINE))
    assert named >= KINDS.keys() | QUIRKS.keys()
    assert set(PASSING) <= KINDS.keys()
    assert set(SURVIVABLE) <= QUIRKS.keys()
