"""Runs the scripts of a CI system's example as that system does: the same shell, environment and conditions."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from examples import EXAMPLES, Ended, shell

GITHUB, GITLAB = EXAMPLES / "github-actions.yml", EXAMPLES / "gitlab-ci.yml"
WORKFLOW: dict[str, Any] = yaml.safe_load(GITHUB.read_text())
JOB: dict[str, Any] = WORKFLOW["jobs"]["audit"]
PIPELINE: dict[str, Any] = yaml.safe_load(GITLAB.read_text())["webex-audit"]


class Step(NamedTuple):
    """A step of a workflow that runs a script, and how it ended."""

    name: str
    ended: Ended


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its `${{ … }}` filled in; KeyError for an expression without a value."""
    return re.sub(r"\$\{\{\s*(.+?)\s*\}\}", lambda match: values[match[1]], text)


def steps(values: Mapping[str, str], environment: Mapping[str, str], cwd: Path) -> Iterator[Step]:
    """Run the scripts of the workflow, by `bash -e` as GitHub does, until a step fails."""
    script = cwd / "script.sh"
    for each in JOB["steps"]:
        if "run" not in each:
            continue
        own = {name: filled(str(text), values) for name, text in (JOB["env"] | each.get("env", {})).items()}
        script.write_text(filled(each["run"], values))
        ended = shell(str(script), environment | own, cwd, ("bash", "-e"))
        yield Step(each["name"], ended)
        if ended.code != 0:
            return


def pipeline(environment: Mapping[str, str], cwd: Path, interpreter: str, tmp: Path) -> Ended:
    """Run the script of the GitLab job, as its runner does: all lines in one shell, until one fails."""
    lines = ["set -eo pipefail" if interpreter == "bash" else "set -e", *PIPELINE["script"]]
    own = {
        name: re.sub(r"^\$(\w+)$", lambda match: environment[match[1]], str(text))
        for name, text in PIPELINE["variables"].items()
    }
    script = "\n".join(lines).replace("/tmp/", f"{tmp}/")
    own = {name: text.replace("/tmp/", f"{tmp}/") for name, text in own.items()}
    return shell(script, environment | own, cwd, (interpreter, "-c"))
