"""msgspec crashes the process if two threads use a type for the first time at once, so each type is prepared."""

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import audit

ROOT = Path(audit.__file__).parent
#: A function that decodes, with the argument that is the type.
DECODERS = {"decode": "type", "convert": 1, "json_of": 1, "Decoder": 0}


def decoded_types() -> Iterator[tuple[str, str, Any]]:
    """The types that the code decodes, each with its module and its name."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and (kind := type_in(call)) is not None:
                for name in (each.id for each in ast.walk(kind) if isinstance(each, ast.Name)):
                    yield module, name, getattr(importlib.import_module(module), name, None)


def type_in(call: ast.Call) -> ast.expr | None:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    where = DECODERS.get(function)
    if isinstance(where, str):
        return next((each.value for each in call.keywords if each.arg == where), None)
    return call.args[where] if where is not None and len(call.args) > where else None


def test_every_type_that_is_decoded_is_prepared() -> None:
    found = {
        f"{module}: {name}": kind
        for module, name, kind in decoded_types()
        if inspect.isclass(kind) and (issubclass(kind, msgspec.Struct) or hasattr(kind, "__dataclass_fields__"))
    }
    assert len(found) > 10
    assert [title for title, kind in found.items() if not inspect.getsource(kind).startswith("@prepared")] == []


@pytest.mark.few(1)
@pytest.mark.parametrize("number", range(20))
def test_two_threads_that_read_their_first_manifests_at_once_do_not_crash(number: int, tmp_path: Path) -> None:
    code = """
        import sys, threading
        from pathlib import Path
        sys.setswitchinterval(1e-6)
        from audit.errors import DamagedError
        from audit.snapshot.manifest import read_manifest
        barrier = threading.Barrier(8)
        def read():
            barrier.wait()
            try:
                read_manifest(Path(sys.argv[1]))
            except DamagedError:
                pass
        threads = [threading.Thread(target=read) for _ in range(8)]
        [each.start() for each in threads]
        [each.join() for each in threads]
    """
    (tmp_path / "manifest.json").write_text('{"format_version": 1}')
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, number) == (0, b"", number)
