"""Walks a journey of docs/journeys as a reader does: in an empty folder, with an empty home and no terminal."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness import Result

JOURNEYS = Path(__file__).parents[2] / "docs" / "journeys"


@dataclass
class Reader:
    """Somebody who has installed webex-audit, and nothing else.

    Attributes:
        folder: where the journey begins; empty.
        home: the home folder; empty.
        path: the folder of the command.
        umask: that of the shell.
        started: the journeys that are under way, and are ended with the test.
    """

    folder: Path
    home: Path
    path: Path
    umask: int = 0o022
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(self, journey: str, *arguments: object, **variables: str) -> "subprocess.Popen[str]":
        """Start a journey.

        Args:
            journey: the name of the script.
            arguments: those of the script.
            variables: all variables beside HOME and PATH.
        """
        process = subprocess.Popen(
            ["/bin/sh", str(JOURNEYS / journey), *map(str, arguments)],
            cwd=self.folder,
            env={"HOME": str(self.home), "PATH": f"{self.path}:/usr/bin:/bin"} | variables,
            umask=self.umask,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def walk(self, journey: str, *arguments: object, **variables: str) -> Result:
        """Walk a journey to its end."""
        process = self.start(journey, *arguments, **variables)
        out, err = process.communicate(timeout=100)
        assert "Traceback" not in err
        return Result(process.returncode, out, err)

    def ask(self, *arguments: object, **variables: str) -> Result:
        """Run one command in the folder."""
        told = subprocess.run(
            [str(self.path / "webex-audit"), *map(str, arguments)],
            cwd=self.folder,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"} | variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Result(told.returncode, told.stdout, told.stderr)

    def configure(self, text: str, name: str = "config.toml") -> None:
        """Write a configuration file."""
        path = self.home / ".config" / "webex-audit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def open_to_others(self, *, but: frozenset[str] = frozenset()) -> list[str]:
        """The files of folder and home that other users may read; `but` are the names of those that the shell made."""
        files = [path for top in (self.folder, self.home) for path in top.rglob("*") if path.is_file()]
        return sorted(str(path) for path in files if path.name not in but and path.stat().st_mode & 0o077)
