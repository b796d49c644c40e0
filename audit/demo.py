"""The whole chain against the simulator, without an account: two organizations, both datasets."""

import os
from collections.abc import Callable
from typing import Any

from audit import config, job
from audit.clock import Clock
from audit.progress import Progress
from audit.scope import scope_of
from audit.simulator import app as simulator
from audit.simulator.app import Simulation
from audit.snapshot.reader import Snapshot
from audit.webex.tokens import StaticTokens, Token

#: What is audited, one run each: who may open a microphone, in all organizations that the token manages, and
#: how the users of its own join the audio of meetings.
_RUNS: tuple[dict[str, Any], ...] = (
    {"scope.all_orgs": True, "scope.entities": ["workspace", "person", "virtual-line"]},
    {"scope.datasets": ["audio-options"], "scope.all_users": True},
)


async def demonstrate(simulation: Simulation, output: str, show: Callable[[], Progress]) -> list[Snapshot]:
    """Audit a simulation.

    Args:
        simulation: what there is to audit.
        output: folder for the snapshots.
        show: makes what is told of each step, for each run anew.

    Raises:
        AuditError: as `audit.job.run`.
    """
    tokens = StaticTokens(Token(simulator.ADMIN_TOKEN))
    async with simulator.serve(simulation) as base_url:
        snapshots = []
        for scope in _RUNS:
            flags = {"webex.base_url": base_url, "output.path": output, **scope}
            settings = config.load(os.devnull, {"WEBEX_AUDIT_PACE_START_RATE": "200"}, flags)
            with show() as progress:
                work = job.run(settings, tokens, scope_of(settings), progress=progress, clock=Clock())
                snapshots.append(await work)
        return snapshots
