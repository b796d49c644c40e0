"""A message about a missing extra names the command that adds it where webex-audit was installed."""

import json
import re
import shlex
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit import extras
from audit.extras import Installation, Origin, Receipt, command_for, how_to_add

DUCKDB = ["cryptography>=44", "duckdb>=2.0"]
PIP = "/env/bin/python -m pip install "
BY_NAME = Installation("/env/bin/python", Path("/env"), has_pip=True, extras={"review": DUCKDB})


def origin(url: str, **fields: Any) -> Origin:
    return msgspec.convert({"url": url, **fields}, Origin)


def came_from(url: str, **fields: Any) -> Installation:
    return replace(BY_NAME, origin=origin(url, **fields))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder whose name a shell would read in many ways."""
    folder = tmp_path / "it's $(here) & [there]"
    folder.mkdir()
    return folder


def test_a_folder_is_named_with_the_extra(checkout: Path) -> None:
    for info, options in (({}, []), ({"editable": True}, ["--editable"])):
        command = command_for("review", came_from(checkout.as_uri(), dir_info=info))
        assert shlex.split(command) == [*PIP.split(), *options, f"{checkout}[review]"]


@pytest.mark.parametrize("name", ["webex_audit-0.1.0-py3-none-any.whl", "webex_audit-0.1.0.tar.gz"])
def test_a_file_is_named_with_the_extra(name: str, checkout: Path) -> None:
    (checkout / name).touch()
    command = command_for("review", came_from((checkout / name).as_uri(), archive_info={}))
    assert shlex.split(command)[-1] == f"{checkout / name}[review]"


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (
            origin(
                "https://git.example/a.git", vcs_info={"vcs": "git", "commit_id": "c0ffee", "requested_revision": "m"}
            ),
            "git+https://git.example/a.git@c0ffee",
        ),
        (
            origin("ssh://git@git.example/a", vcs_info={"vcs": "git", "commit_id": "1"}, subdirectory="sub"),
            "git+ssh://git@git.example/a@1#subdirectory=sub",
        ),
        (origin("https://files.example/a.whl", archive_info={}), "https://files.example/a.whl"),
        (
            origin("https://files.example/a.zip", archive_info={}, subdirectory="b"),
            "https://files.example/a.zip#subdirectory=b",
        ),
    ],
)
def test_a_url_is_named_with_the_extra(found: Origin, place: str) -> None:
    assert command_for("review", replace(BY_NAME, origin=found)) == f"{PIP}'webex-audit[review] @ {place}'"


@pytest.mark.parametrize("secret", ["ghp_0123", "user:hunter2", "oauth2:glpat-1", "git:hunter2"])
def test_no_credential_of_a_url_is_shown(secret: str) -> None:
    for fields in ({"archive_info": {}}, {"vcs_info": {"vcs": "git", "commit_id": "1"}}):
        command = command_for("review", came_from(f"https://{secret}@git.example/a", **fields))
        assert "https://git.example/a" in command


@pytest.mark.parametrize(
    "found",
    [
        BY_NAME,
        came_from("file:///nowhere/webex-audit", dir_info={}),
        came_from("file:///tmp/%00", dir_info={}),
        came_from("https://files.example/a.whl#\x1b[2J", archive_info={}),
        came_from("file:///srv/git/webex-audit.git", vcs_info={"vcs": "git", "commit_id": "c0ffee"}),
    ],
    ids=["by its name", "gone", "no path", "not printable", "a repository of this machine"],
)
def test_without_a_place_the_packages_themselves_are_named(found: Installation) -> None:
    # By its own name, an index might give the package of a stranger.
    assert command_for("review", found) == f"{PIP}'cryptography>=44' 'duckdb>=2.0'"
    assert command_for("review", replace(found, has_pip=False)).startswith(
        "uv pip install --python /env/bin/python 'cry"
    )


def test_pipx_adds_the_packages_to_its_own_record(checkout: Path) -> None:
    found = replace(came_from(checkout.as_uri()), is_pipx=True, prefix=Path("/venvs/webex-audit-2"))
    assert command_for("review", found) == "pipx inject webex-audit-2 'cryptography>=44' 'duckdb>=2.0'"


def test_uv_keeps_what_the_tool_was_installed_with(checkout: Path) -> None:
    asked = {"name": "webex-audit", "extras": ["notify"], "directory": str(checkout)}
    receipt: dict[str, Any] = {"requirements": [asked]}
    found = replace(came_from(checkout.as_uri(), dir_info={}), has_pip=False)

    def words() -> list[str]:
        return shlex.split(command_for("review", replace(found, receipt=msgspec.convert(receipt, Receipt))))

    place = f"{checkout}[notify,review]"
    assert words() == ["uv", "tool", "install", place]
    receipt |= {"python": "3.12", "requirements": [asked, {"name": "uvloop", "specifier": ">=0.2"}]}
    assert words() == ["uv", "tool", "install", "--python=3.12", "--with=uvloop>=0.2", place]
    receipt["requirements"] = [asked, {"name": "ours", "git": "https://git.example/ours"}]
    assert words()[:5] == ["uv", "pip", "install", "--python", "/env/bin/python"]


def test_windows_gets_its_own_quotes() -> None:
    assert command_for("review", BY_NAME, "nt") == f'{PIP}"cryptography>=44" "duckdb>=2.0"'


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "{}", '{"url": 5}', '{"url": "http://["}', '{"url": "x", "dir_info": []}']
)
def test_a_damaged_record_is_as_none(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "webex_audit-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text('Name: webex-audit\nVersion: 1\nRequires-Dist: a>=1; extra == "review"\n')
    (info / "direct_url.json").write_text(text)
    (tmp_path / "uv-receipt.toml").write_text(f"tool = {text or 1}")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert how_to_add("review") == f"{shlex.join([sys.executable])} -m pip install 'a>=1'"


def test_a_checkout_that_was_never_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert shlex.split(how_to_add("review"))[-2:] == ["--editable", f"{Path(extras.__file__).parents[1]}[review]"]


@pytest.mark.parametrize("extra", ["review", "notify", "object-store"])
def test_a_copy_that_knows_nothing_of_its_origin_names_no_package_of_a_stranger(
    extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    # The file of a zipapp is not a folder; that of site-packages has no pyproject.toml.
    for place in ("webex-audit.pyz", "site-packages"):
        monkeypatch.setattr(extras, "__file__", str(tmp_path / place / "audit" / "extras.py"))
        assert how_to_add(extra) == f"add the extra '{extra}' from a checkout or wheel of webex-audit"


def test_the_packages_of_each_extra_are_known() -> None:
    package = metadata.distribution("webex-audit")
    named = set(extras.this_installation().extras)
    assert named == set(package.metadata.get_all("Provides-Extra"))
    marked = [line for line in package.requires or () if "extra ==" in line]
    assert sum(map(len, extras.this_installation().extras.values())) == len(marked)


def test_no_text_names_the_tool_as_if_an_index_had_it() -> None:
    root = Path(__file__).parents[1]
    pages = [*root.glob("*.md"), *root.glob("*.toml"), *root.glob("docs/**/*.md"), *root.glob("audit/**/*.py")]
    assert len(pages) > 200
    wrong = re.compile(r"(pip|pipx|uv tool) install(?! --no-index)[^\n]*? ['\"]?webex-audit\b(?!\[[\w,-]+\] @)")
    assert [str(page) for page in pages if page.name != "CHANGELOG.md" and wrong.search(page.read_text())] == []


def test_the_record_of_this_environment_is_read() -> None:
    text = metadata.distribution("webex-audit").read_text("direct_url.json")
    if text is None:
        pytest.skip("webex-audit came by its name")
    assert extras.this_installation().origin == msgspec.convert(json.loads(text), Origin)
