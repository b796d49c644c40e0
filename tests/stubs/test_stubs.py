"""The types of pyarrow are written by hand: each name in them must be a name of pyarrow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STUBS = Path(__file__).parents[2] / "stubs"
#: A slot of the C API, which Python shows from 3.12 on.
IN_C = "pyarrow.Buffer.__buffer__ is not present at runtime"


@pytest.mark.slow
def test_each_declared_name_exists_in_pyarrow(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "pyarrow", "--ignore-missing-stub", "--concise"]
    environment = {**os.environ, "MYPYPATH": str(STUBS)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert not result.stderr
    # What it says of parameters is left out, as the stubs declare those only that are used.
    assert "pyarrow.Table" in result.stdout
    absent = [line for line in result.stdout.splitlines() if line.endswith("not present at runtime")]
    assert [line for line in absent if line != IN_C] == []
