"""The report in a real browser: it runs its own script only, and requests nothing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from chromium import BROWSER, Page, Scenario, look_at
from reporting import rewrite, set_column

from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity
from audit.review.diff.change import Change
from audit.review.report import write_report
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

_HOSTILE = "<img src=x onerror=alert(1)><script>document.title='run'</script>\u202e"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


Look = Callable[[Scenario], None]


@pytest.fixture
def look(chromium: str, audit: Callable[..., Snapshot], once: Callable[..., Path], tmp_path: Path) -> Look:
    """Open the report of a simulated organization and run a scenario on it."""

    def write() -> None:
        snapshot = audit(Simulation(Organization(workspaces=90, people=20, virtual_lines=3)))
        file = tmp_path / "made" / "report.html"
        file.parent.mkdir()
        file.write_text(write_report(snapshot, _checks(), _changes(), snapshot), encoding="utf-8")

    return partial(look_at, chromium, once(write, "made") / "report.html")


def _checks() -> CheckResult:
    rule = Rule("two-way", _HOSTILE, Severity.HIGH, _HOSTILE, _HOSTILE, (), "SELECT 1", "two-way.sql")
    found = [Finding("two-way", Severity.HIGH, "o", "WORKSPACE", "w", _HOSTILE, _HOSTILE, _HOSTILE, _HOSTILE)] * 20
    return CheckResult("now", None, [RuleResult(rule, "failed", found, found)])


def _changes() -> list[Change]:
    row = ("o", "WORKSPACE", "w", _HOSTILE, _HOSTILE, "m", _HOSTILE)
    return [
        Change("changed", "push_to_talk", *row, _HOSTILE, _HOSTILE, _HOSTILE),
        Change("unknown", "coverage", *row, reason=_HOSTILE),
    ]


_SHOWN = "[...document.querySelectorAll('#room-table tbody tr')].filter((row) => row.offsetParent !== null)"


@pytest.mark.attack("HTML")
def test_hostile_names_run_nothing_and_nothing_is_asked_for(look: Look) -> None:
    async def scenario(page: Page) -> None:
        assert "Push-to-Talk review" in await page.run("document.title")
        assert await page.run("document.images.length") == 0
        assert await page.run("document.scripts.length") == 1
        assert _HOSTILE[:-1] in await page.run("document.body.textContent")

    look(scenario)


def test_the_policy_refuses_whatever_is_put_in(look: Look) -> None:
    async def scenario(page: Page) -> None:
        await page.run(
            "(async () => { const script = document.createElement('script'); script.textContent = 'window.bad = 1';"
            "document.body.append(script);"
            "await fetch('https://example.com/').catch(() => { window.refused = 1 }) })()"
        )
        assert await page.run("[window.bad, window.refused].join()") == ",1"
        told = {each["entry"]["text"] for each in page.errors}
        assert len(told) >= 2
        assert all("Content Security Policy" in each for each in told)
        page.errors.clear()
        page.requests[1:] = [each for each in page.requests[1:] if each != "https://example.com/"]

    look(scenario)


def test_sorting_orders_rows_both_ways_and_says_so(look: Look) -> None:
    async def scenario(page: Page) -> None:
        column = "[...document.querySelectorAll('#person-table tbody tr')].map((row) => +row.cells[1].textContent)"
        button = "document.querySelectorAll('#person-table thead button')[1]"
        before = await page.run(column)
        await page.run(f"{button}.click()")
        assert await page.run(column) == sorted(before)
        assert await page.run(f"{button}.parentElement.ariaSort") == "ascending"
        await page.run(f"{button}.click()")
        assert await page.run(column) == sorted(before, reverse=True)
        assert await page.run(f"{button}.parentElement.ariaSort") == "descending"

    look(scenario)


def test_numbers_of_a_thousand_and_more_sort_as_numbers(look: Look) -> None:
    async def scenario(page: Page) -> None:
        cells = "[...document.querySelectorAll('#person-table tbody tr')].map((row) => row.cells[1])"
        assert await page.run(f"{cells}.every((cell) => cell.dataset.key === cell.textContent.replaceAll(',', ''))")
        await page.run(f"(([first]) => {{ first.dataset.key = '1234'; first.textContent = '1,234' }})({cells})")
        await page.run("document.querySelectorAll('#person-table thead button')[1].click()")
        assert await page.run(f"{cells}.at(-1).textContent") == "1,234"

    look(scenario)


@pytest.mark.few(2)
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_scrolls_sideways(look: Look, width: int) -> None:
    async def scenario(page: Page) -> None:
        await page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
        )
        await page.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        assert await page.run("document.documentElement.scrollWidth") <= width

    look(scenario)


def test_the_verdict_stands_in_the_first_screen_of_a_phone(look: Look) -> None:
    async def scenario(page: Page) -> None:
        await page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        assert await page.run("document.querySelector('.as-of').getBoundingClientRect().bottom") < 844

    look(scenario)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(look: Look, scheme: str) -> None:
    """A ratio of 4.5 (WCAG 2.2, 1.4.3)."""

    async def scenario(page: Page) -> None:
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        assert await page.run(_WORST_CONTRAST) >= 4.5

    look(scenario)


_WORST_CONTRAST = """(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
  };
  const selector = "p, a, h1, h2, h3, th, td, dt, dd, b, summary, code, .badge, .place, .hears, .status, .absent, i";
  return Math.min(...[...document.querySelectorAll(selector)].map((each) => {
    const [one, two] = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => b - a);
    return (one + 0.05) / (two + 0.05);
  }));
})()"""


def test_without_scripts_it_is_a_plain_document(look: Look) -> None:
    async def scenario(page: Page) -> None:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        await page.call("Page.reload")
        await asyncio.sleep(0.3)
        assert await page.run("document.querySelectorAll('button').length") == 0
        assert await page.run("document.querySelector('[role=search]').offsetParent === null")
        assert await page.run(f"{_SHOWN}.length") > 30
        page.requests[1:] = []

    look(scenario)


def test_on_a_phone_captions_lie_and_words_stay_whole(look: Look) -> None:
    async def scenario(page: Page) -> None:
        await page.resize(390)
        assert await page.run(
            "[...document.querySelectorAll('caption:not(.spoken)')].every((each) => each.offsetHeight < 50)"
        )
        assert await page.run("[...document.querySelectorAll('.status')].every((each) => each.offsetHeight < 30)")

    look(scenario)


def test_what_is_off_is_neither_bold_nor_red(look: Look) -> None:
    async def scenario(page: Page) -> None:
        style = "(({ fontWeight, color }) => fontWeight + color)(getComputedStyle(each))"
        off = await page.run(
            f"[...document.querySelectorAll('#room-table .off [data-label=Caller]')].map((each) => {style})"
        )
        on = await page.run(f"[...document.querySelectorAll('#room-table tr:not(.off) .hears')].map((each) => {style})")
        assert off
        assert on
        assert not set(off) & set(on)
        assert all(each.startswith("400") for each in off)

    look(scenario)


def test_since_sorts_by_time(chromium: str, audit: Callable[..., Snapshot], tmp_path: Path) -> None:
    snapshot = audit(Simulation(Organization(workspaces=12)))
    times = [datetime(2026, month, 30 - month, tzinfo=UTC) for month in (3, 1, 10, 2, 9)]
    rewrite(snapshot, "coverage", set_column("fetched_at", times))
    file = tmp_path / "report.html"
    file.write_text(write_report(snapshot, None, [], snapshot), encoding="utf-8")

    async def scenario(page: Page) -> None:
        await page.run("document.querySelectorAll('#room-table thead button')[6].click()")
        cells = await page.run("[...document.querySelectorAll('[data-label=Since]')].map((cell) => cell.textContent)")
        read = [datetime.strptime(cell.partition(" or earlier")[0], "%d %B %Y").replace(tzinfo=UTC) for cell in cells]
        assert read == sorted(read)
        assert len(set(read)) > 3

    look_at(chromium, file, scenario)


@pytest.mark.attack("HTML")
def test_marks_that_are_stacked_on_a_name_cover_nothing_else(
    audit: Callable[..., Snapshot], chromium: str, tmp_path: Path
) -> None:
    snapshot = audit(Simulation(Organization(workspaces=4)))
    names = ["A" + "\u0301" * 300, "B" + "\u0323" * 300, "C" + "\u20dd" * 300, "D" + "\u0e49" * 300]
    rewrite(snapshot, "push_to_talk", set_column("entity_name", names))
    file = tmp_path / "report.html"
    file.write_text(write_report(snapshot, None, None, None), encoding="utf-8")

    async def scenario(page: Page) -> None:
        unclipped = await page.run(
            "[...document.querySelectorAll('main bdi')].filter((name) => {"
            "for (let box = name; box !== document.body; box = box.parentElement) {"
            "const style = getComputedStyle(box);"
            "if (style.overflowY === 'clip' && style.display !== 'inline') return false; } return true;"
            "}).map((name) => name.parentElement.outerHTML.slice(0, 80))"
        )
        assert [each for each in unclipped if any(mark in each for mark in "\u0301\u0323\u20dd\u0e49")] == []
        for width in (1440, 390):
            await page.resize(width)
            assert await page.run("document.documentElement.scrollWidth") <= width

    look_at(chromium, file, scenario)
