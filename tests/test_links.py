"""Links between the pages lead somewhere, and the forms for issues ask for what is needed."""

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    kept = string.ascii_lowercase + string.digits + " -_"
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {"".join(each for each in heading.lower() if each in kept).replace(" ", "-") for heading in headings}


def links_of(page: Path) -> Iterator[tuple[Path, str]]:
    """The links to files of the project: path and anchor. A picture is not looked for."""
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield (page.parent / path if path else page), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in links_of(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors_of(path), f"{path}#{anchor}"


def test_the_readme_leads_to_every_page() -> None:
    linked = {path.resolve() for path, _ in links_of(ROOT / "README.md")}
    assert set(PAGES) - {ROOT / "README.md"} <= linked


def test_the_form_for_bugs_asks_for_doctor_and_no_secrets() -> None:
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    assert "webex-audit doctor" in form
    assert "Leave out access tokens" in form


def test_every_command_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    explained = set(re.findall(r"`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert explained <= set(phony.split())
    assert set(phony.split()) - explained <= {"demo", "check-locks", "clean", "FORCE"}
