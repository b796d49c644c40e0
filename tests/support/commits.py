"""A repository whose only commit holds the files of this one, changes that are not committed included."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NOBODY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")


def git(folder: Path, *arguments: str) -> str:
    given = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    given |= dict.fromkeys(_NOBODY, "nobody") | {
        "GIT_COMMITTER_DATE": "2026-12-24T12:00:00Z",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout


def committed(folder: Path) -> Path:
    """The repository, made in a folder that does not exist yet."""
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "all")
    return folder
