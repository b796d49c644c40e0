"""No secret of a worker leaves its machine: not in an error, in a log line, or in an event of Dask."""

import errno
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from harness import Result

from audit.errors import AuditError, EngineError, UsageError
from audit.redaction import Record, learn
from audit.run.cluster.report import Reporter, forwarding
from audit.run.cluster.worker import _traveling
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.storage.errors import StorageError

pytestmark = pytest.mark.attack("redaction")
SECRET = "t0ken/of-a-worker"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (lambda: UsageError(f"refused: {SECRET}"), UsageError),
        (lambda: OSError(errno.EACCES, f"no access with {SECRET}", "/place"), PermissionError),
        (lambda: StorageError(errno.EIO, f"refused {quote(SECRET, safe='')}", "s3://b/k"), StorageError),
        (lambda: LookupError(SECRET), AuditError),
        (lambda: OSError(f"a library says {SECRET}"), AuditError),
        (lambda: RuntimeError("can't start new thread"), EngineError),
    ],
)
def test_an_error_of_a_worker_travels_without_the_secret_in_its_text(
    error: Callable[[], Exception], kind: type[Exception]
) -> None:
    learn(SECRET)
    found = _traveling(error())
    assert type(found) is kind
    traveled = pickle.dumps(found)
    assert b"t0ken" not in traveled
    assert str(pickle.loads(traveled)) == str(found)


def test_a_log_line_of_a_worker_travels_without_the_secret_in_it() -> None:
    learn(SECRET)
    sent: list[Any] = []
    reporter = Reporter("org", sent.append)
    before = logging.getLogRecordFactory()
    try:
        with forwarding(reporter, logging.DEBUG):
            logging.getLogger("audit.x").warning(
                "the API says %s", SECRET.upper(), extra={"tracking_id": f"ID_{SECRET}", "entity_id": None}
            )
            reporter.flush()
    finally:
        logging.setLogRecordFactory(before)
    assert "t0ken" not in json.dumps(sent).lower()
    assert "[secret]" in json.dumps(sent)


def test_a_handler_of_another_library_shows_no_secret() -> None:
    learn(SECRET)
    shown = logging.Formatter("%(message)s")
    try:
        raise LookupError(SECRET)  # noqa: TRY301
    except LookupError as error:
        caught = (type(error), error, error.__traceback__)
    record = Record("distributed.worker", logging.ERROR, "x.py", 1, "Compute Failed: %s", (SECRET,), caught)
    assert "LookupError: [secret]" in shown.format(record)
    assert "t0ken" not in shown.format(record)


@pytest.mark.slow
def test_a_token_that_an_answer_echoes_to_a_worker_is_in_no_file_and_no_line(
    api: Callable[[Simulation], str],
    webex_audit: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed")

    class Echo(Organization):
        def workspace(self, index: int) -> dict[str, Any]:
            escaped = "".join(f"\\u{ord(char):04x}" for char in ADMIN_TOKEN)
            return super().workspace(index) | {"displayName": f"{ADMIN_TOKEN.upper()} {escaped}"}

    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Echo(3), customers=(Echo(2, seed=2),)))
    result = webex_audit("run", "--all-orgs", "--base-url", url, "--output", "out", "--engine", "dask", "--verbose")
    assert result.code == 0, result.err
    texts = [result.err, result.out, *(path.read_text("latin-1") for path in tmp_path.glob("out/**/*.csv"))]
    assert any("[secret] [secret]" in text for text in texts)
    assert not [text for text in texts if ADMIN_TOKEN in text.lower() or "u0073" in text]
