"""How a command starts: it loads what it needs, and nothing else of weight."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import environment

from audit.cli import cli
from audit.cli.command import Command
from audit.cli.group import LazyCommand
from audit.cli.options import _DATASETS
from audit.datasets import DATASETS
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization

#: Each takes longer to load than click.
HEAVY = frozenset(
    {
        *("aiohttp", "asyncio", "cryptography", "distributed", "duckdb", "jinja2", "numpy", "obstore", "pandas"),
        *("phonenumbers", "prometheus_client", "pyarrow", "pygal", "rich", "ssl", "xlsxwriter"),
    }
)
PROGRAM = """
import sys
from audit.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def heavy_modules(*arguments: object, code: int = 0) -> set[str]:
    """What a command in a process of its own has loaded of `HEAVY` when it ends."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    return HEAVY & {*ended.stderr.split("\n")[-2].split()}


@pytest.fixture
def output(audit: Callable[..., object], once: Callable[..., Path]) -> Path:
    """A folder of snapshots that holds one."""
    return once(lambda: audit(Simulation(Organization(3))))


@pytest.mark.few(4)
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([name, "--help"] for name in cli.commands)])
def test_help_and_version_load_nothing_of_weight(arguments: list[str]) -> None:
    assert heavy_modules(*arguments) == set()


@pytest.mark.parametrize("arguments", [["snapshots"], ["snapshots", "--json"], ["show"], ["show", "--json"]])
def test_reading_manifests_loads_nothing_of_weight(arguments: list[str], output: Path) -> None:
    assert heavy_modules(*arguments, "--output", output) == set()


@pytest.mark.slow
def test_a_run_without_a_terminal_loads_no_review_and_no_progress_bar(
    api: Callable[[Simulation], str], tmp_path: Path
) -> None:
    loaded = heavy_modules("run", "--base-url", api(Simulation(Organization(3))), "--output", tmp_path / "out")
    assert loaded >= {"aiohttp", "pyarrow"}
    assert not loaded & {"cryptography", "distributed", "duckdb", "jinja2", "obstore", "pygal", "rich", "xlsxwriter"}


@pytest.mark.slow
def test_a_run_that_will_write_a_report_loads_no_review_before_its_commit(
    api: Callable[[Simulation], str], tmp_path: Path
) -> None:
    url = api(Simulation(Organization(3), tokens={}))
    loaded = heavy_modules("run", "--base-url", url, "--report", tmp_path / "report.html", code=4)
    assert loaded >= {"aiohttp", "pyarrow"}
    assert not loaded & {"cryptography", "distributed", "duckdb", "jinja2", "obstore", "pygal", "rich", "xlsxwriter"}


@pytest.mark.parametrize("words", ["", "run"])
def test_shell_completion_loads_nothing_of_weight(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "_WEBEX_AUDIT_COMPLETE": "bash_complete",
        "COMP_WORDS": f"webex-audit {words} --",
        "COMP_CWORD": str(1 + bool(words)),
    }.items():
        monkeypatch.setenv(name, value)
    assert heavy_modules() == set()


@pytest.mark.parametrize("name", cli.commands)
def test_a_command_is_listed_as_it_describes_itself(name: str) -> None:
    listed = cli.commands[name]
    assert isinstance(listed, LazyCommand)
    command = listed.load()
    assert (command.name, type(command)) == (name, Command)
    for width in (20, 45, 88):
        assert listed.get_short_help_str(width) == command.get_short_help_str(width)


def test_the_datasets_that_help_names_are_those_that_exist() -> None:
    assert [name.replace("-", "_") for name in _DATASETS.choices] == [*DATASETS, "all"]


@pytest.mark.parametrize("arguments", [["--version"], ["run"], []])
def test_a_python_without_the_packages_gets_one_line(arguments: list[str]) -> None:
    """The folder of a checkout is on the path of another Python; -S leaves out whatever is installed."""
    checkout = str(Path(__file__).parents[2])
    command = [sys.executable, "-S", "-m", "audit", *arguments]
    ended = subprocess.run(command, env={"PYTHONPATH": checkout}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"webex-audit: error: click is not installed for {sys.executable}: use the Python of the environment that "
        "webex-audit is installed in, or install it again (docs/install.md)\n"
    )
