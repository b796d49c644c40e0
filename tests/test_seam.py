"""A dataset is one new file and one line, a kind of entity one file and two: a copy of the tool follows the page."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from harness import environment

from audit.simulator import answers
from audit.simulator.app import Simulation
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization, webex_id

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "datasets.md").read_text()
OWN = Organization(5, people=12, paging_groups=2)
#: By line of the page, the file that it belongs to.
FILES = {
    '"do_not_disturb",': "audit/datasets/__init__.py",
    '"hunt_groups",': "audit/datasets/__init__.py",
    'HUNT_GROUP = "HUNT_GROUP"': "audit/entity.py",
    "from audit.inventory.hunt_groups import HUNT_GROUPS": "audit/inventory/entities.py",
    "EntityType.HUNT_GROUP: HUNT_GROUPS,": "audit/inventory/entities.py",
}
Tool = Callable[..., str]


class Extended(Faults):
    """Answers what the page's datasets ask for: three hunt groups, and do not disturb of each person."""

    def next(self, url: str) -> str | None:
        if "doNotDisturb" in url:
            return "dnd"
        if "/huntGroups" in url:
            return "hunt-groups" if url.startswith("/v1/telephony/config/huntGroups") else "hunt-group"
        return None


def hunt_groups() -> list[dict[str, Any]]:
    place = OWN.locations[0]
    items = [{"id": webex_id("HUNT_GROUP", str(index)), "name": f"Desk {index}"} for index in range(3)]
    return [{**item, "locationId": place["id"], "locationName": place["name"]} for item in items]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tool with the page's two examples, added by nothing but what the page says."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "audit", folder / "audit", ignore=shutil.ignore_patterns("__pycache__"))
    for name, source in re.findall(r"is the whole of\s+`(audit/\S+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL):
        (folder / name).write_text(source)
    for line in re.findall(r"^```text\n( *\S[^\n]*)\n```$", PAGE, re.MULTILINE):
        path = folder / FILES[line.strip()]
        above = line.replace("do_not_disturb", "paging_groups").replace("hunt_group", "paging_group")
        above = above.replace("HUNT_GROUP", "PAGING_GROUP")
        text = path.read_text()
        assert text.count(f"{above}\n") == 1, above
        path.write_text(text.replace(f"{above}\n", f"{above}\n{line}\n"))
    return folder


@pytest.fixture
def tool(copy: Path, api: Callable[[Simulation], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """The command line of the copy; a command that asks the API asks a server of the page's settings."""
    state = {"enabled": True}
    made = {
        "dnd": lambda: state | {"ringSplashEnabled": False},
        "hunt-group": lambda: state | {"phoneNumber": "+14085550100", "strategy": "REGULAR"},
        "hunt-groups": lambda: {"huntGroups": hunt_groups()},
    }
    for name, content in made.items():
        monkeypatch.setitem(answers.FAULTY_ANSWERS, name, lambda content=content: web.json_response(content()))
    base_url = api(Simulation(OWN, Extended()))

    def tool(*arguments: str, code: int = 0, enabled: bool = True) -> str:
        state["enabled"] = enabled
        given = [*arguments, *(["--base-url", base_url] if arguments[0] in ("run", "doctor") else [])]
        command = [
            sys.executable,
            "-m",
            "audit",
            *given,
            *([] if "--help" in arguments else ["--output", str(tmp_path / "out")]),
        ]
        ended = subprocess.run(command, env=environment(), cwd=copy, capture_output=True, text=True, check=False)
        assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended
        return ended.stdout

    return tool


@pytest.mark.slow
def test_a_new_kind_of_entity_is_audited_from_the_run_to_the_report(tool: Tool, tmp_path: Path) -> None:
    datasets = ["--dataset", "hunt-groups", "--dataset", "push-to-talk", "--dataset", "paging-groups"]
    first = json.loads(tool("run", *datasets, "--json"))
    assert first["status"] == "complete"
    assert first["scope"]["entities"] == ["HUNT_GROUP", "WORKSPACE", "PAGING_GROUP"]
    assert first["outcomes"]["hunt_groups"] == {"ok": 3}
    assert first["unknown_fields"]["hunt_groups"] == {"strategy": 3}
    assert first["orgs"][0]["entities"] == 5 + 3 + 2
    shown = tool("show")
    assert "Hunt groups of every hunt group, Push-to-Talk of every workspace and paging groups of every paging" in shown
    tool("run", *datasets, "--quiet", enabled=False)
    tool("verify")
    changes = tool("diff")
    assert changes.count("(hunt group)\n  enabled: yes → no") == 3
    assert "hunt_groups" in tool("query", "latest", "FROM coverage SELECT DISTINCT dataset", "--csv")
    rows = tool("query", "latest", "SELECT entity_name, enabled FROM hunt_groups ORDER BY 1", "--csv")
    assert rows.splitlines()[1:] == ['"Desk 0",false', '"Desk 1",false', '"Desk 2",false']
    assert json.loads(tool("check", "--json", "--fail-on", "critical"))
    tool("report", "--file", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "Hunt groups" in page
    assert len([*(tmp_path / "out").glob("2*/hunt_groups.csv")]) == 2


@pytest.mark.slow
def test_datasets_of_the_page_are_read_together_with_all_others(tool: Tool) -> None:
    chosen = ["--entity", "person", "--entity", "workspace"]
    snapshot = json.loads(tool("run", "--dataset", "all", *chosen, "--json"))
    assert snapshot["status"] == "complete"
    names = {"push_to_talk", "audio_options", "answer_settings", "paging_groups", "hunt_groups", "do_not_disturb"}
    assert set(snapshot["outcomes"]) == names
    assert snapshot["outcomes"]["do_not_disturb"]["ok"] > 5
    assert snapshot["tables"]["do_not_disturb"]["rows"] == snapshot["outcomes"]["do_not_disturb"]["ok"]
    # Without people, the dataset that only they have is left out.
    assert set(json.loads(tool("run", "--dataset", "all", "--json"))["outcomes"]) == names - {"do_not_disturb"}


@pytest.mark.slow
def test_a_new_kind_of_entity_is_planned_and_examined(tool: Tool) -> None:
    datasets = ["--dataset", "hunt-groups", "--dataset", "do-not-disturb"]
    plan = json.loads(tool("run", "--dry-run", *datasets, "--entity", "person", "--json"))
    assert plan["entities"] == 15
    assert plan["uses"]["spark-admin:telephony_config_read"] == ["list hunt groups", "read hunt-groups of hunt groups"]
    assert {"dataset": "hunt_groups", "entity_type": "HUNT_GROUP", "requests": 3, "note": None} in plan["reads"]
    checks = {each["name"]: each for each in json.loads(tool("doctor", "--dataset", "hunt-groups", "--json"))}
    assert checks["hunt-groups"]["status"] == "ok"
    assert "hunt-groups was read: HTTP 200" in checks["hunt-groups"]["message"]
    assert "do-not-disturb" in tool("run", "--help").replace("\n", "")
