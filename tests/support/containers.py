"""Reads the Containerfile, and runs commands as a container of its image would, without a builder.

A container is a mount namespace here: a root folder that is read-only, with the programs of this machine and the venv
of the tests in place of the image, /data as the volume, an empty /tmp, and the user, environment and working folder
that the Containerfile names. The network is that of the machine, so that the simulator is reached.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from examples import ROOT, Ended, is_root

CONTAINERFILE = ROOT / "Containerfile"
_VENV, _BASE = Path(sys.prefix), Path(sys.base_prefix)
_NEEDED = ("unshare", "setpriv", "chroot", "mount")
#: Makes the root folder $1 with the volume $2 and the secrets $3; then runs the rest as the user.
_ENTER = """
set -e
root=$1 data=$2 secrets=$3 user=$4 group=$5; shift 5
mount --make-rprivate /
mount -t tmpfs -o mode=755 root "$root"
for each in {shown}; do
  [ -e "$each" ] || continue
  if [ -L "$each" ]; then ln -s "$(readlink "$each")" "$root$each"; continue; fi
  mkdir -p "$root$each"; mount --rbind -o ro "$each" "$root$each"; mount -o remount,ro,bind "$root$each"
done
mkdir -p "$root/tmp" "$root/data" "$root/run/secrets" "$root/proc" "$root/opt/webex-audit"
mount -t proc proc "$root/proc"
mount --bind {venv} "$root/opt/webex-audit"; mount -o remount,ro,bind "$root/opt/webex-audit"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount --bind "$data" "$root/data"
mount --bind "$secrets" "$root/run/secrets"; mount -o remount,ro,bind "$root/run/secrets"
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs --inh-caps=-all \\
  --bounding-set=-all env -i "$@"
"""


class Instruction(NamedTuple):
    """An instruction of a Containerfile: its word, and what follows."""

    word: str
    rest: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Containerfile, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        yield Instruction(word.upper(), " ".join(rest.split()))


class Image(NamedTuple):
    """What the last stage of a Containerfile gives to a container."""

    environment: dict[str, str]
    user: str
    folder: str
    entrypoint: list[str]
    command: list[str]


def image() -> Image:
    """The image of the Containerfile."""
    found = [*instructions(CONTAINERFILE.read_text())]
    last = found[max(place for place, each in enumerate(found) if each.word == "FROM") :]
    words = {each.word: each.rest for each in last}
    pairs = [pair for each in last if each.word == "ENV" for pair in shlex.split(each.rest)]
    environment = dict(pair.split("=", 1) for pair in pairs)
    entrypoint, command = (json.loads(words[word]) for word in ("ENTRYPOINT", "CMD"))
    return Image(environment, words["USER"], words["WORKDIR"], entrypoint, command)


def why_not() -> str:
    """Why no container can be imitated here; nothing if it can."""
    if not is_root():
        return "only root can make a mount namespace"
    if missing := [name for name in _NEEDED if not shutil.which(name)]:
        return f"{', '.join(missing)}: not installed"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this machine allows no mount namespaces"


class Container(NamedTuple):
    """A container: its volume, its secrets, and an empty folder for its root."""

    root: Path
    data: Path
    secrets: Path
    user: str = ""

    def start(
        self, *arguments: str, entrypoint: list[str] | None = None, **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start the image with arguments, `--read-only --tmpfs /tmp -v data:/data`, as its first process."""
        made = image()
        user, _, group = (self.user or made.user).partition(":")
        shown = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", _VENV, _BASE, ROOT]
        script = _ENTER.format(shown=shlex.join(map(str, dict.fromkeys(shown))), venv=shlex.quote(str(_VENV)))
        pairs = [f"{name}={text}" for name, text in (made.environment | environment).items()]
        inside = [
            "sh",
            "-c",
            f'cd {made.folder}; exec "$@"',
            "sh",
            *(entrypoint or made.entrypoint),
            *(arguments or made.command),
        ]
        places = [str(path) for path in (self.root, self.data, self.secrets)]
        unshared = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]
        return subprocess.Popen(
            [*unshared, *places, user, group, *pairs, *inside],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, entrypoint: list[str] | None = None, **environment: str) -> Ended:
        """Run the image with arguments until it ends."""
        with self.start(*arguments, entrypoint=entrypoint, **environment) as started:
            out, err = started.communicate(timeout=110)
        return Ended(started.returncode, out.decode(), err.decode())


def stop(started: "subprocess.Popen[bytes]") -> None:
    """Send SIGTERM to the first process of a container."""
    (first,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)


def written(folder: Path) -> Mapping[str, int]:
    """The files below a folder with their modes."""
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
