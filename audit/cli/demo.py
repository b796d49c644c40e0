"""The demo: the whole chain against the simulator. Two organizations, all datasets, before and after a change."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from audit import config
from audit.cli.approvals import sentence
from audit.cli.approve import Wanted, decide
from audit.clock import Clock
from audit.config import EntityName, Settings
from audit.crawl.progress import Progress
from audit.datasets import DATASETS
from audit.files import atomic_file
from audit.run.job import Job
from audit.run.run import run
from audit.run.scope import scope_of
from audit.simulator import app as simulator
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.snapshot.catalog import Snapshot, find_approved
from audit.text import count_of
from audit.webex.tokens import StaticTokens, Token

#: Two scopes: how users join the audio of meetings, and who may open what in all managed organizations.
_AUDIO: dict[str, Any] = {"scope.datasets": ["audio-options"], "scope.all_users": True}
_WAYS_IN: dict[str, Any] = {
    "scope.datasets": [name for name, dataset in DATASETS.items() if not dataset.by_user],
    "scope.all_orgs": True,
    "scope.entities": [*get_args(EntityName)],
    "run.admin_events": True,
}
_QUESTION = "SELECT way, opened_by, direction, count(*) AS entities FROM open_rooms GROUP BY ALL ORDER BY ALL"
#: Parts of a diff that the demo shows: rooms, with the changes in each.
_BLOCKS = 9


async def demonstrate(
    simulation: Simulation,
    output: str,
    show: Callable[[], Progress],
    *,
    is_shared: bool = False,
    clock: Clock | None = None,
) -> list[Snapshot]:
    """Audit a simulation: audio options once, all other datasets before and after a change.

    Args:
        simulation: the organizations to audit.
        output: folder of the snapshots.
        show: makes the progress display of a run.
        is_shared: accept a folder that other users may write to.
        clock: the time of the runs; the real time by default.

    Raises:
        AuditError: as `audit.run.run.run`.
    """
    tokens = StaticTokens(Token(simulator.ADMIN_TOKEN))
    snapshots: list[Snapshot] = []
    async with simulator.serve(simulation) as base_url:
        for scope in (_AUDIO, _WAYS_IN, _WAYS_IN):
            if len(snapshots) == 2:
                at = (clock or Clock()).now()
                simulation.organization = Changed.of(simulation.organization, at=at)
                simulation.customers = tuple(Changed.of(each, at=at) for each in simulation.customers)
            flags = {"webex.base_url": base_url, "output.path": output, "output.shared": is_shared, **scope}
            settings = config.load(os.devnull, {"WEBEX_AUDIT_PACE_START_RATE": "200"}, flags)
            with show() as progress:
                work = run(Job(settings, tokens, scope_of(settings), progress, clock or Clock()))
                snapshots.append(await work)
    return snapshots


def review(
    old: Snapshot, new: Snapshot, path: Path, hint: str, *, is_shared: bool = False, clock: Clock | None = None
) -> Iterator[str]:
    """Approve a snapshot, compare another with it, check it, and write a report; yields lines for the terminal.

    Args:
        old: the earlier snapshot.
        new: the later snapshot.
        path: path of the report.
        hint: the command that shows all changes.
        is_shared: accept a folder that other users may write to.
        clock: the time of the approval; the real time by default.

    Raises:
        ModuleNotFoundError: the extra `review` is not installed.
        OSError: the report can't be written.
    """
    from audit.review.check.check import check
    from audit.review.diff import views as diff_views
    from audit.review.diff.compare import compare
    from audit.review.report import write_report

    blocks = deque(diff_views.as_text(old, new, compare(old, new), diff_views.Tally()))
    yield from (blocks.popleft() for _ in range(min(_BLOCKS, len(blocks))))
    if blocks:
        yield f"… and so on: {hint}\n\n{blocks[-1]}"
    wanted = Wanted(old.manifest.snapshot_id, "it is the state before the change of the demo", "the demo", False, True)
    yield f"\n{sentence(decide(old.path.parent, wanted, is_shared=is_shared, clock=clock))}"
    approved = find_approved(new.path.parent, new.manifest)
    yield "\nwho may open what:\n"
    yield from _ways_in(new, old, approved)
    checks = check(new, old, Settings().check, today=(clock or Clock()).now().date(), approved=approved)
    for result in sorted(checks.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id)):
        found = count_of(len(result.findings), "finding")
        state = found if result.status == "failed" else result.reason or result.status
        yield f"{result.rule.severity:<9} {result.rule.rule_id:<30} {state}"
    with atomic_file(path) as file:
        file.write(write_report(new, checks, compare(old, new), old, approved).encode())


def _ways_in(new: Snapshot, old: Snapshot, approved: Snapshot | None) -> Iterator[str]:
    """How many entities open by themselves, by way and by who may open them."""
    from audit.review.query import rows
    from audit.review.query.query import ask

    with ask(new, _QUESTION, Settings().check.timeout_s, previous=old, approved=approved) as found:
        yield "".join(rows.as_text(found.schema, found.batches))
