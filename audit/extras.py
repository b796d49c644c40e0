"""How webex-audit was installed, and the command that adds an extra there. No index has the tool by its name."""

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from audit.untrusted.decoding import prepared

_NAME = "webex-audit"
#: A requirement of an extra; no extra has another marker.
_OF_EXTRA = re.compile(r"""(?P<requirement>[^;]+?)\s*;\s*extra\s*==\s*["'](?P<extra>[\w-]+)["']""")
#: What no shell reads as anything but text.
_PLAIN = re.compile(r"[\w@%+:,./\\-]+", re.ASCII)


class _Folder(msgspec.Struct):
    editable: bool = False


class _Vcs(msgspec.Struct):
    vcs: str
    commit_id: str


@prepared
class Origin(msgspec.Struct):
    """What `direct_url.json` says of where a package came from (PEP 610); without it, the package came by its name."""

    url: str
    dir_info: _Folder | None = None
    vcs_info: _Vcs | None = None
    subdirectory: str = ""

    def __post_init__(self) -> None:
        urlsplit(self.url)  # raises ValueError if it is not a URL


class _Asked(msgspec.Struct):
    name: str
    specifier: str = ""
    extras: list[str] = []
    #: Where `uv tool` found it, if not by its name.
    directory: str = ""
    editable: str = ""
    git: str = ""
    path: str = ""
    url: str = ""


@prepared
class Receipt(msgspec.Struct):
    """What was asked of `uv tool install`, by its `uv-receipt.toml`."""

    requirements: list[_Asked]
    python: str | None = None


@dataclass(frozen=True)
class Installation:
    """An environment that holds webex-audit.

    Attributes:
        python: its interpreter.
        prefix: its folder.
        has_pip: it holds pip.
        origin: where webex-audit came from; None if it came by its name.
        extras: the requirements of each extra.
        is_pipx: pipx made it, and keeps a record of what is in it.
        receipt: the record of `uv tool`, if that made it.
    """

    python: str
    prefix: Path
    has_pip: bool
    origin: Origin | None = None
    extras: Mapping[str, list[str]] = field(default_factory=dict)
    is_pipx: bool = False
    receipt: Receipt | None = None


def how_to_add(extra: str) -> str:
    """The command that adds an extra to this environment, as a line for the shell of the user; else a sentence.

    Args:
        extra: name of the extra.
    """
    return command_for(extra, this_installation())


def this_installation() -> Installation:
    """How the webex-audit that runs was installed."""
    prefix = Path(sys.prefix)
    origin, extras = _recorded()
    return Installation(
        python=sys.executable or "python",
        prefix=prefix,
        has_pip=find_spec("pip") is not None,
        origin=origin,
        extras=extras,
        is_pipx=(prefix / "pipx_metadata.json").exists(),
        receipt=_receipt(prefix / "uv-receipt.toml"),
    )


def command_for(extra: str, found: Installation, system: str = os.name) -> str:
    """The command that adds an extra to an environment.

    Where the tool came from a place that is still there, the command names the place. Else it names the packages
    of the extra: by the name of the tool, an index might give the package of a stranger. A copy without metadata, such
    as a zipapp, knows neither.

    Args:
        extra: name of the extra.
        found: the environment.
        system: `os.name` of the machine, for its quotes.
    """
    packages = found.extras.get(extra, [])
    if found.is_pipx and packages:
        words = ["pipx", "inject", found.prefix.name, *packages]
    elif kept := _uv_tool(extra, found):
        words = ["uv", "tool", "install", *kept]
    else:
        installer = [found.python, "-m", "pip", "install"]
        words = installer if found.has_pip else ["uv", "pip", "install", "--python", found.python]
        what = _source([extra], found.origin) or packages
        if not what:
            return f"add the extra '{extra}' from a checkout or wheel of {_NAME}"
        words += what
    return " ".join(_quoted(word, system) for word in words)


def _source(extras: Iterable[str], origin: Origin | None) -> list[str]:
    """The arguments that name the place where the tool came from, with extras; none if it is no longer there."""
    if origin is None:
        return []
    from urllib.request import url2pathname  # noqa: PLC0415 - loads ssl

    wanted = f"[{','.join(sorted({*extras}))}]"
    url = urlsplit(origin.url)
    folder = f"#subdirectory={origin.subdirectory}" if origin.subdirectory else ""
    if origin.vcs_info and url.scheme == "file":
        words = []  # pip before 24.1 refuses a requirement with such a URL
    elif origin.vcs_info:
        place = f"{origin.vcs_info.vcs}+{_bare(origin.url)}@{origin.vcs_info.commit_id}"
        words = [f"{_NAME}{wanted} @ {place}{folder}"]
    elif url.scheme != "file":
        words = [f"{_NAME}{wanted} @ {_bare(origin.url)}{folder}"]
    elif Path(path := url2pathname(url.path)).exists():
        words = [*(["--editable"] if origin.dir_info and origin.dir_info.editable else []), f"{path}{wanted}"]
    else:
        words = []
    return words if all(word.isprintable() for word in words) else []


def _bare(url: str) -> str:
    """A URL without a name and a password; `git` is neither."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"git@{host}" if user == "git" else host).geturl()


def _uv_tool(extra: str, found: Installation) -> list[str]:
    """The arguments of `uv tool install`, which makes an environment anew; none if that would lose something."""
    if found.receipt is None:
        return []
    asked = {each.name: each for each in found.receipt.requirements}
    had = asked.pop(_NAME, _Asked(_NAME)).extras
    source = _source([*had, extra], found.origin)
    if not source or any(each != _Asked(each.name, each.specifier) for each in asked.values()):
        return []
    python = [f"--python={found.receipt.python}"] if found.receipt.python else []
    return [*python, *(f"--with={each.name}{each.specifier}" for each in asked.values()), *source]


def _recorded() -> tuple[Origin | None, dict[str, list[str]]]:
    """Where webex-audit came from, and what its extras require, by the metadata of the package."""
    from importlib import metadata  # noqa: PLC0415 - loads email and zipfile

    try:
        package = metadata.distribution(_NAME)
    except metadata.PackageNotFoundError:
        checkout = Path(__file__).parents[1]
        is_there = (checkout / "pyproject.toml").exists()
        return Origin(checkout.as_uri(), _Folder(editable=True)) if is_there else None, {}
    extras: dict[str, list[str]] = {}
    for line in package.requires or ():
        if found := _OF_EXTRA.fullmatch(line):
            extras.setdefault(found["extra"], []).append(found["requirement"])
    with suppress(OSError, ValueError):
        if text := package.read_text("direct_url.json"):
            return msgspec.json.decode(text, type=Origin), extras
    return None, extras


def _receipt(path: Path) -> Receipt | None:
    """The record of `uv tool`; None if there is none that can be read."""
    with suppress(OSError, ValueError):
        return msgspec.convert(tomllib.loads(path.read_text()).get("tool"), Receipt)
    return None


def _quoted(word: str, system: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    return f'"{word}"' if system == "nt" else shlex.quote(word)
