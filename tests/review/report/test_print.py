"""The report on paper, as Chromium prints it: a summary by default, and whole if that is wanted."""

import io
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pypdf
import pytest
from chromium import BROWSER, Page, look_at
from reporting import a_check, a_finding, a_rule, small_organization

from audit.review.check.finding import RuleResult
from audit.review.diff.compare import compare
from audit.review.report import write_report
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.snapshot.catalog import Snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]

_ALL = {"scope.entities": ["workspace", "person", "virtual-line"]}
_SEARCH = """(() => {{
  const input = document.querySelector('[data-search={table}] input');
  input.value = {word!r};
  input.dispatchEvent(new Event('input'));
}})()"""
_WHOLE = "document.getElementById('print-whole').click()"


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("printed")


@pytest.fixture
def file(audit: Callable[..., Snapshot], _made: Path) -> Path:
    """The report of more rooms, people, changes and findings than a summary lists."""
    path = _made / "report.html"
    if not path.exists():
        organization = small_organization(workspaces=80, people=60)
        old = audit(Simulation(organization), **_ALL)
        snapshot = audit(Simulation(Changed.of(organization, 0.3)), **_ALL)
        rules = [a_rule(f"rule-{each}") for each in range(12)]
        checks = a_check(
            *(RuleResult(rule, "failed", [a_finding(rule, f"detail {each}") for each in range(8)]) for rule in rules)
        )
        path.write_text(write_report(snapshot, checks, compare(old, snapshot), old), encoding="utf-8")
    return path


class _Paper:
    """A printed report: its pages as text."""

    def __init__(self, pdf: bytes) -> None:
        self.pages = [re.sub(r"\s+", " ", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
        self.text = " ".join(self.pages)


@cache
def _paper_of(path: Path) -> _Paper:
    return _Paper(path.read_bytes())


@pytest.fixture
def papers(chromium: str, file: Path, _made: Path) -> tuple[_Paper, _Paper]:
    """The report as it is printed by default, and the whole of it."""
    summary, whole = _made / "summary.pdf", _made / "whole.pdf"

    async def scenario(page: Page) -> None:
        summary.write_bytes(await page.print())
        await page.run(_WHOLE)
        whole.write_bytes(await page.print())

    if not whole.exists():
        look_at(chromium, file, scenario)
    return _paper_of(summary), _paper_of(whole)


async def _rooms_of(page: Page, table: str = "room-table") -> int:
    return int(await page.run(f"document.querySelectorAll('#{table} tbody tr:not([hidden])').length"))


def test_a_summary_of_a_few_pages_is_printed_unless_everything_is_asked_for(
    file: Path, papers: tuple[_Paper, _Paper]
) -> None:
    summary, whole = papers
    assert len(summary.pages) <= 7
    assert summary.text.count("Who can listen into a room?") == 1, "an empty search is not printed"
    assert "This summary prints the first 5 rows" in summary.text
    assert "This summary counts the findings of each rule" in summary.text
    assert "detail 3" not in summary.text
    assert all(f"Title of rule-{each} 8" in summary.text for each in range(12))
    assert len(whole.pages) > len(summary.pages)
    assert "This summary" not in whole.text
    assert whole.text.count("detail 3") == 12
    html = file.read_text(encoding="utf-8")
    plain = {*re.findall(r'<th role="rowheader" scope="row"[^\n]*?<bdi>([A-Z][a-z]+ [0-9-]+)</bdi>', html)}
    assert len(plain) > 20
    assert {name for name in plain if name not in whole.text} == set()
    shown = re.search("snapshot [0-9]+T[0-9]+Z-[0-9a-f]+", html)
    assert shown
    for paper in (summary, whole):
        total = len(paper.pages)
        assert all(f"Page {at} of {total}" in text for at, text in enumerate(paper.pages, 1))
        assert all(shown[0] in text for text in paper.pages)


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_table_that_a_search_has_cut_says_so_on_paper(chromium: str, file: Path, *, is_whole: bool) -> None:
    table, word = "change-table", "member"

    async def scenario(page: Page) -> None:
        total = await _rooms_of(page, table)
        await page.run(_SEARCH.format(table=table, word=word))
        shown = await _rooms_of(page, table)
        assert 5 < shown < total
        if is_whole:
            await page.run(_WHOLE)
        paper = _Paper(await page.print())
        line = f"Filtered by “{word}”, {shown} of {total}"
        assert paper.text.count(line) == 1
        names = await page.run(
            f"[...document.querySelectorAll('#{table} tbody tr:not([hidden]) th bdi:first-of-type')]"
            ".map((name) => name.textContent.replace(/\\s+/g, ' '))"
        )
        rest = paper.text.partition(line)[2].replace(" ", "")
        plain = [name.replace(" ", "") for name in names if re.fullmatch("[A-Za-z 0-9-]+", name)]
        assert len(plain) > 2
        assert [name for name in plain if name not in rest] == []
        assert await page.run("document.querySelectorAll('.filter, .filtered').length") == 0
        if is_whole:
            return
        await page.run(_SEARCH.format(table=table, word=""))
        assert "Filtered by" not in _Paper(await page.print()).text

    look_at(chromium, file, scenario)


def test_the_head_of_a_table_stands_on_each_page_that_it_covers(papers: tuple[_Paper, _Paper]) -> None:
    pages = papers[1].pages
    (first,) = [at for at, text in enumerate(pages) if "Who can call which" in text]
    (last,) = [at for at, text in enumerate(pages) if "Who may call by name" in text and at > first]
    assert last > first + 2
    assert all("Caller Who may call" in text for text in pages[first:last])


def test_no_column_on_paper_is_narrower_than_its_words(
    chromium: str, file: Path, papers: tuple[_Paper, _Paper]
) -> None:
    assert " Novem ber " not in papers[1].text

    async def scenario(page: Page) -> None:
        await page.run(_WHOLE)
        await page.call("Emulation.setEmulatedMedia", media="print")
        await page.resize(690)
        narrow = await page.run(
            "Math.min(...[...document.querySelectorAll('main table td')].filter((cell) => cell.offsetParent)"
            ".map((cell) => cell.offsetWidth))"
        )
        assert narrow > 60
        assert await page.run("document.documentElement.scrollWidth") <= 690

    look_at(chromium, file, scenario)


def test_on_paper_everything_includes_what_is_folded_away_on_the_screen(chromium: str, file: Path) -> None:
    async def scenario(page: Page) -> None:
        folded = "document.querySelectorAll('details:not([open])').length"
        before = await page.run(folded)
        assert before > 0
        await page.run(_WHOLE)
        await page.run("dispatchEvent(new Event('beforeprint'))")
        assert await page.run(folded) == 0
        await page.run("dispatchEvent(new Event('afterprint'))")
        assert await page.run(folded) == before

    look_at(chromium, file, scenario)


def test_without_scripts_the_box_still_chooses_what_is_printed(chromium: str, file: Path) -> None:
    async def scenario(page: Page) -> None:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        summary = _Paper(await page.print())
        await page.run(_WHOLE)
        whole = _Paper(await page.print())
        assert len(summary.pages) <= 7 < len(whole.pages)
        assert "detail 3" in whole.text

    look_at(chromium, file, scenario)
