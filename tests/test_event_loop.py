"""The event loop's thread waits for nothing but sockets and timers."""

import asyncio
from collections.abc import Callable

import pytest
from blockbuster import BlockBuster

from audit.clock import Clock
from audit.config import Settings
from audit.job import run
from audit.progress import Progress
from audit.scope import scope_of
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.webex.tokens import StaticTokens, Token


@pytest.mark.parametrize("dataset", ["push-to-talk", "audio-options"])
def test_a_whole_run_blocks_it_nowhere(
    dataset: str, api: Callable[[Simulation], str], settings: Callable[..., Settings]
) -> None:
    url = api(Simulation(Organization(30, people=30)))
    given = settings(url, scope__datasets=[dataset], scope__all_users=dataset == "audio-options")
    work = run(given, StaticTokens(Token(ADMIN_TOKEN)), scope_of(given), progress=Progress(), clock=Clock())
    guard = BlockBuster()
    for function in guard.functions.values():
        # What comes before the first request holds nothing up.
        function.can_block_in("audit/storage/place.py", {"make_dir"})
        function.can_block_in("audit/lock.py", {"lock", "_lock_folder"})
    guard.activate()
    try:
        snapshot = asyncio.run(work)
    finally:
        guard.deactivate()
    assert snapshot.manifest.status == "complete"
