"""The thread of the event loop waits only for sockets and timers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from audit.clock import Clock
from audit.config import Settings
from audit.run import rates as memory
from audit.run.credentials import find_tokens
from audit.run.job import Job
from audit.run.retried import retried_scope
from audit.run.run import run
from audit.run.scope import RunScope, scope_of
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.source import verified
from audit.webex.rate import Belief
from audit.webex.tokens import StaticTokens, Token, TokenSource


@pytest.mark.parametrize("dataset", ["push-to-talk", "audio-options"])
def test_a_whole_run_blocks_it_nowhere(
    dataset: str, api: Callable[[Simulation], str], settings: Callable[..., Settings]
) -> None:
    url = api(Simulation(Organization(30, people=30)))
    given = settings(url, scope__datasets=[dataset], scope__all_users=dataset == "audio-options")
    snapshot = guarded(given, scope_of(given))
    assert snapshot.manifest.status == "complete"


def test_neither_does_one_that_retries_a_snapshot_from_a_rate_that_is_remembered(
    api: Callable[[Simulation], str], settings: Callable[..., Settings]
) -> None:
    organization = Organization(30)
    given = settings(api(Simulation(organization, parse("500=0.2"))), retry__attempts=1)
    before = guarded(given, scope_of(given))
    assert before.manifest.status == "partial"
    memory.remember(given.webex.base_url, organization.org_id, Belief("rate", 50.0))
    with verified(before) as source:
        after = guarded(given, retried_scope(source))
    assert after.manifest.outcomes["push_to_talk"]["ok"] >= before.manifest.outcomes["push_to_talk"]["ok"]


@pytest.mark.parametrize("source", ["file", "app"])
def test_neither_does_one_that_reads_and_stores_its_token(
    source: str, api: Callable[[Simulation], str], settings: Callable[..., Settings], tmp_path: Path
) -> None:
    files = [tmp_path / "token", tmp_path / "secret"]
    for file in files:
        file.write_text(f"{ADMIN_TOKEN}\n")
    token, secret = files
    app = {"webex__client_id": "C", "webex__client_secret_file": str(secret), "webex__refresh_token_file": token}
    of_source = app if source == "app" else {"webex__token_file": str(token)}
    given = settings(api(Simulation(Organization(30), parse("token-rotate,401@5"))), **of_source)
    tokens = find_tokens(given.webex, {}, Clock())
    assert guarded(given, scope_of(given), tokens).manifest.status == "complete"
    assert (token.read_text() != f"{ADMIN_TOKEN}\n") == (source == "app")


def guarded(given: Settings, scope: RunScope, tokens: TokenSource | None = None) -> Snapshot:
    work = run(Job(given, tokens or StaticTokens(Token(ADMIN_TOKEN)), scope))
    guard = BlockBuster()
    for function in guard.functions.values():
        # A call before the first request blocks nothing else.
        function.can_block_in("audit/storage/place.py", {"make_dir"})
        function.can_block_in("audit/output/lock.py", {"lock", "_lock_folder"})
        # Coverage waits for its own lock when two threads enter a file for the first time.
        function.can_block_in("coverage/collector.py", {"lock_data"})
    guard.activate()
    try:
        return asyncio.run(work)
    finally:
        guard.deactivate()
