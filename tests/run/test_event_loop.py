"""The thread of the event loop waits only for sockets and timers."""

import asyncio
from collections.abc import Callable

import pytest
from blockbuster import BlockBuster

from audit.config import Settings
from audit.run import rates as memory
from audit.run.job import Job
from audit.run.run import run
from audit.run.scope import RunScope, retried_scope, scope_of
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.rate import Belief
from audit.webex.tokens import StaticTokens, Token


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
    after = guarded(given, retried_scope(before))
    assert after.manifest.outcomes["push_to_talk"]["ok"] >= before.manifest.outcomes["push_to_talk"]["ok"]


def guarded(given: Settings, scope: RunScope) -> Snapshot:
    work = run(Job(given, StaticTokens(Token(ADMIN_TOKEN)), scope))
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
