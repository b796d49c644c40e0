"""Links of the workbook to Control Hub: as many as Excel takes, and none from outside."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from harness import Where
from reporting import KINDS, Audit, a_check, a_finding, a_rule, from_webex, rewrite, set_column, small_organization

from audit.review.check.finding import RuleResult
from audit.simulator.app import Simulation

LINKED = ("Open rooms", "Room by who", "Not answered", "Findings")


def pages(sheet: Any) -> dict[str, tuple[str | None, str | None]]:
    """The text and the link of each cell of the column for Control Hub, by the id of the entity."""
    header, *rows = list(sheet.iter_rows())
    names = [cell.value for cell in header]
    key = names.index("id" if "id" in names else "entity_id")
    return {row[key].value: (row[-1].value, row[-1].hyperlink and row[-1].hyperlink.target) for row in rows}


def test_rooms_lead_to_their_pages_in_control_hub(audit: Audit, workbook: Callable[..., Any]) -> None:
    organization = small_organization()
    faulty = Where("mistyped", organization.workspace(1)["id"])
    snapshot = from_webex(audit(Simulation(organization, faulty), **KINDS))
    entity_id = organization.workspace(2)["id"]
    rule = a_rule()
    found = [a_finding(rule, entity_id=entity_id), a_finding(rule, entity_type="PERSON", entity_id="p")]
    book = workbook(snapshot, a_check(RuleResult(rule, "failed", found)), None, None)
    for name in LINKED:
        links = pages(book[name])
        assert book[name].cell(1, book[name].max_column).value == "Control Hub"
        assert any(link for _, link in links.values())
        for room, (text, link) in links.items():
            uuid = base64.b64decode(room + "==").partition(b"/PLACE/")[2].decode() if room != "p" else ""
            expected = f"https://admin.webex.com/workspaces/{uuid}/overview" if uuid else None
            assert (text, link) == (expected, expected)
    others = set(book.sheetnames) - set(LINKED)
    assert not any(cell.hyperlink for name in others for row in book[name].iter_rows() for cell in row)


def test_a_workbook_of_a_simulator_has_no_links(audit: Audit, workbook: Callable[..., Any]) -> None:
    book = workbook(audit(Simulation(small_organization())), None, None, None)
    assert not any("Control Hub" in [cell.value for cell in sheet[1]] for sheet in book)
    assert not any(cell.hyperlink for sheet in book for row in sheet.iter_rows() for cell in row)


@pytest.mark.slow
def test_addresses_beyond_what_excel_links_stay_as_text_and_it_is_said(
    audit: Audit, workbook: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = from_webex(audit(Simulation(small_organization(workspaces=80))))
    full = workbook(snapshot, None, None, None)["Open rooms"]
    rows = len([cell for cell in full[full.cell(1, full.max_column).column_letter][1:] if cell.value])
    caplog.clear()
    book = workbook(snapshot, None, None, None, max_links=3)
    cells = [row[-1] for row in book["Open rooms"].iter_rows(min_row=2)]
    assert len([cell for cell in cells if cell.value]) == rows > 4
    assert [bool(cell.hyperlink) for cell in cells] == [True] * 3 + [False] * (len(cells) - 3)
    said = f"{rows - 3} addresses are text and not a link: there are too many"
    assert said in caplog.text
    summary = dict(book["Summary"].iter_rows(values_only=True))
    assert any(said in str(value) for value in summary.values())


@pytest.mark.few(3)
@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize(
    "hostile", ["https://example.com/", "=HYPERLINK(1)", 'javascript:"/><x', "\\\\host\\share", "file:///etc/passwd"]
)
def test_a_hostile_id_makes_no_link(hostile: str, audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = from_webex(audit(Simulation(small_organization(workspaces=8))))
    rewrite(snapshot, "push_to_talk", lambda rows: set_column("entity_id", [hostile] * rows.num_rows)(rows))
    rewrite(snapshot, "coverage", lambda rows: set_column("entity_id", [hostile] * rows.num_rows)(rows))
    book = workbook(snapshot, None, None, None)
    assert pages(book["Open rooms"])[hostile] == (None, None)
    assert not any(cell.hyperlink for sheet in book for row in sheet.iter_rows() for cell in row)
