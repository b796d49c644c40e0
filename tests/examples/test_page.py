"""docs/scheduling.md shows parts of the examples, links all of them, and each names the exit codes."""

import re

import pytest
from examples import EXAMPLES, ROOT

PAGE = (ROOT / "docs" / "scheduling.md").read_text()
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file())
MONITORING = ("grafana.json", "prometheus-alerts.yml")
#: Those in which a run is started, or which say how to start it.
STARTING = [
    path
    for path in (*FILES, ROOT / "Containerfile")
    if path.name not in MONITORING and re.search(r"webex-audit(?:-nightly|.* run )|\[?run,", path.read_text())
]


def blocks(*languages: str) -> list[str]:
    return [text for name, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL) if name in languages]


def test_what_the_page_shows_stands_in_an_example() -> None:
    texts = [path.read_text() for path in FILES]
    shown = [block for block in blocks("text", "ini", "yaml") if "[webex]" not in block and "time() -" not in block]
    assert len(shown) >= 3
    for block in shown:
        assert any(block in text for text in texts), block


def test_the_commands_of_the_page_for_containers_are_those_of_the_containerfile() -> None:
    def commands(text: str) -> list[str]:
        joined = re.sub(r"\\\n[# ]*", "", text)
        return re.findall(r"(?:podman|docker) (?:build|run|secret) .*$", joined, re.MULTILINE)

    (block,) = [block for block in blocks("console") if "podman" in block]
    assert len(commands(block)) == 3
    assert {*commands(block)} <= {*commands((ROOT / "Containerfile").read_text())}


def test_the_page_links_every_example() -> None:
    linked = set(re.findall(r"\]\(examples/([^)#]+)\)", PAGE))
    assert {str(path.relative_to(EXAMPLES)) for path in FILES} <= linked
    assert all((EXAMPLES / name).exists() for name in linked)


@pytest.mark.parametrize("path", STARTING, ids=lambda path: path.name)
def test_an_example_names_each_exit_code_of_a_run(path: object) -> None:
    comments = " ".join(re.findall(r"#.*", path.read_text()))  # type: ignore[attr-defined]
    assert {"2", "3", "4", "5", "6", "70"} <= set(re.findall(r"\d+", comments))


def test_the_examples_that_start_a_run_are_known() -> None:
    names = {path.name for path in STARTING}
    assert {"crontab", "webex-audit", "webex-audit-nightly", "webex-audit.service", "kubernetes.yaml"} <= names
    assert {"github-actions.yml", "gitlab-ci.yml", "Containerfile"} <= names
