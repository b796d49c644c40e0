"""docs/security-tests.md lists the attacks that the tests try."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = runpy.run_path(str(ROOT / "docs" / "security_tests.py"))
PAGE = (ROOT / "docs" / "security-tests.md").read_text()


def test_the_page_is_what_the_tests_say() -> None:
    assert PROGRAM["with_attacks"](PAGE) == PAGE, "run: make docs"


def test_no_file_with_a_mark_is_left_out() -> None:
    """The program reads marks as they stand; a mark by another name would be overlooked."""
    marked = {path.relative_to(ROOT) for path in ROOT.glob("tests/**/test_*.py") if ".attack(" in path.read_text()}
    missing = {path for path in marked if f"(../{path})" not in PAGE}
    assert missing == {Path(__file__).relative_to(ROOT)}


def test_every_marked_test_is_listed_once(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text(
        "import pytest\n"
        'pytestmark = [pytest.mark.timeout(9), pytest.mark.attack("chain")]\n'
        '@pytest.mark.attack("SQL")\n@pytest.mark.parametrize("a", [1])\n'
        "def test_no_statement_writes(a): pass\n"
        "class TestMore:\n"
        "    async def test_a_fork_is_a_fault(self): pass\n"
        "def not_a_test(): pass\n"
    )
    (folder / "test_b.py").write_text("def test_nothing_is_marked(): pass\n")
    assert PROGRAM["generated"](folder) == (
        "## SQL\n- No statement writes ([test_a](../tests/test_a.py))\n\n"
        "## Chain\n- No statement writes ([test_a](../tests/test_a.py))\n"
        "- A fork is a fault ([test_a](../tests/test_a.py))\n"
    )
