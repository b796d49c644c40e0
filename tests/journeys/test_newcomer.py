"""The newcomer: from an installed tool to a report."""

import re
import socket

import pytest
from chromium import BROWSER, Page, look_at
from walking import Reader


def practice_port(reader: Reader) -> int:
    (port,) = re.findall(r":(\d+)/v1$", (reader.folder / "practice.env").read_text(), re.MULTILINE)
    return int(port)


@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.few(1)
@pytest.mark.slow
def test_a_newcomer_gets_reports_without_an_account(umask: int, reader: Reader, request: pytest.FixtureRequest) -> None:
    reader.umask = umask
    walked = reader.walk("newcomer.sh")
    assert walked.code == 0, walked
    assert all(line.startswith("webex-audit: ") for line in walked.err.splitlines()), walked.err
    assert not re.search("warning|error", walked.err)
    named = re.findall(r"^open (\S+): ", walked.out, re.MULTILINE)
    assert len(named) == 5
    assert all((reader.folder / name).is_file() for name in named)
    assert re.search(r"^ok       token ", walked.out, re.MULTILINE)
    assert walked.out.endswith("report.html\n")
    assert re.search(r"findings \(\d+ critical", (reader.folder / "findings.txt").read_text())
    assert reader.open_to_others(but=frozenset({"practice.env", "findings.txt"})) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", practice_port(reader))) != 0

    if BROWSER is None:
        return

    async def first_screen(page: Page) -> None:
        assert "Northwind Medical Group" in await page.run("document.body.innerText")

    devtools = request.getfixturevalue("chromium")
    for report in (named[0], "report.html"):
        look_at(devtools, reader.folder / report, first_screen)
