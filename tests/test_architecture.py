"""docs/architecture.md is held to the tree: what it names exists, and it names every package."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def shown() -> set[str]:
    """The packages and modules of the tree, from their indentation."""
    (tree,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    above: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0].rstrip("/")
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name]
        found.add("/".join(above))
    return found


def names_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def exists(path: str) -> bool:
    """Whether there is this file, this folder, or a module of this name."""
    return (ROOT / path).exists() or (ROOT / f"{path}.py").exists()


def test_the_tree_shows_every_package() -> None:
    assert shown() >= {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("audit/**/__init__.py")}
    assert [path for path in shown() if not exists(path)] == []


def test_every_loose_module_is_named() -> None:
    for path in ROOT.glob("audit/*.py"):
        is_named = f"`audit/{path.name}`" in PAGE or f"audit/{path.stem}" in shown()
        assert path.stem.startswith("__") or is_named, path


def test_every_path_exists() -> None:
    paths = set(re.findall(r"`((?:audit|tests)/[^`]*)`", PAGE))
    assert len(paths) > 30
    for path in paths:
        assert exists(path), path


def test_every_function_is_where_the_page_says() -> None:
    pairs = re.findall(r"`(\w+)` (?:in|of)\s+`(audit/[^`]+\.py)`", PAGE)
    assert len(pairs) > 10
    for name, path in pairs:
        assert name in names_of(ROOT / path), (name, path)


def test_the_layers_are_those_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = [each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    table = PAGE.partition("| layer | rule |\n| --- | --- |\n")[2].partition("\n\n")[0]
    layers_shown = [set(re.findall(r"`(\w+)`", line.split(" | ")[0])) for line in table.splitlines()]
    *layers, loose = [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]
    assert layers_shown == [*layers, set()]
    assert all(f"`audit/{name}.py`" in PAGE or f"audit/{name}" in shown() for name in loose)
