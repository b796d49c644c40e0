"""A worker that can't do its part says why and what to do; nothing secret is sent to it."""

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.config import Settings, WebexSettings
from audit.errors import DamagedError
from audit.inventory.organizations import Organization
from audit.output.draft import create
from audit.output.held import Held
from audit.run.cluster.report import Reporter
from audit.run.cluster.task import Result, Task, traveling
from audit.run.cluster.worker import _Attempt, _while_wanted
from audit.run.scope import scope_of
from audit.simulator.app import ADMIN_TOKEN
from audit.simulator.organization import Organization as Simulated

MakeSettings = Callable[..., Settings]
ONE = Organization(Simulated(1).org_id, is_own=False)


@pytest.fixture
def task(settings: MakeSettings, tmp_path: Path) -> Task:
    given = settings("http://127.0.0.1:1/v1", webex__token_command=f"echo {ADMIN_TOKEN}", output__path=str(tmp_path))
    draft = create(tmp_path, datetime(2026, 11, 22, tzinfo=UTC), {}, held=Held())
    scope = replace(scope_of(given), datasets=())
    return Task(draft.journal, traveling(given), scope, ("push_to_talk",), None, True, False, True, None, 20)


def attempt(task: Task) -> Result:
    reporter = Reporter(ONE.org_id, lambda _: None)
    made = _Attempt(task, ONE, task.settings_for(None, 1), None, reporter, "worker tcp://host:1 (host)")
    return asyncio.run(made.make())


def test_a_worker_that_does_not_see_the_output_says_so(task: Task, tmp_path: Path) -> None:
    (tmp_path / task.journal.run_id / "run.json").unlink()
    told = f"worker tcp://host:1 (host) does not see the run in {tmp_path}: use a shared folder or an object store"
    assert str(attempt(task).error).startswith(told)


def test_a_worker_that_sees_another_run_at_this_place_says_so(task: Task) -> None:
    other = replace(task, journal=type(task.journal)(task.journal.run_id, task.journal.started_at, {"x": 1}))
    assert "does not see the run" in str(attempt(other).error)


def test_a_worker_of_another_version_says_so(task: Task) -> None:
    assert "and the driver 0.0.1: install the same" in str(attempt(replace(task, version="0.0.1")).error)


@pytest.mark.parametrize("variable", ["", "of-somebody-else"])
def test_a_worker_without_the_command_that_gives_tokens_says_so(
    variable: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", variable)
    told = str(attempt(task).error)
    assert told.startswith("worker tcp://host:1 (host): no access token: 'webex-audit login'")


def test_a_worker_has_a_command_of_its_own(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_TOKEN_COMMAND", "echo token")
    task = replace(task, settings=impatient(task.settings))
    # The token works, so the attempt fails only at the API, which does not exist.
    assert "has not answered for 1 s" in str(attempt(task).error)


def impatient(settings: Settings) -> Settings:
    run = type(settings.run)(stall_s=1.0)
    return Settings(webex=settings.webex, output=settings.output, retry=type(settings.retry)(attempts=1), run=run)


@pytest.mark.attack("token")
def test_what_travels_holds_no_secret(task: Task) -> None:
    traveled = pickle.dumps(task)
    assert ADMIN_TOKEN.encode() not in traveled
    assert pickle.loads(traveled) == task


def test_an_attempt_that_nobody_waits_for_ends_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.run.cluster.worker._REPORT_EVERY_S", 0.01)
    flushed: list[Any] = []

    async def forever() -> Result:
        await asyncio.Event().wait()
        return Result()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_while_wanted(forever(), lambda: flushed.append(1), lambda: len(flushed) < 3))
    assert len(flushed) >= 3


def test_a_snapshot_to_retry_that_is_damaged_is_told_to_the_driver(task: Task, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{}")
    task = replace(task, has_token_command=False, token_file_is_flag=True, retry_failed=(str(damaged), "0" * 64))
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "token").chmod(0o600)
    webex = msgspec.structs.replace(task.settings.webex, token_file=str(tmp_path / "token"))
    task = replace(task, settings=msgspec.structs.replace(task.settings, webex=webex))
    told = pickle.loads(pickle.dumps(attempt(task))).error
    assert isinstance(told, DamagedError)
    assert str(told).startswith(f"{damaged / 'manifest.json'} is damaged: ")


def test_files_of_secrets_travel_by_their_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    own = Settings(webex=WebexSettings(token_file="token", ca_file="~/ca.pem", token_command="vault read secret"))
    webex = traveling(own).webex
    assert webex.token_file == str(tmp_path / "token")
    assert webex.ca_file == str(Path.home() / "ca.pem")
    assert webex.token_command is None
    assert webex.client_secret_file is None
