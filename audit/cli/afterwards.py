"""What a run says besides its result: what it left out, and what to do next. It goes to standard error."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from audit.cli.resuming import api_context, as_line, context
from audit.config import Settings
from audit.datasets import DATASETS, Dataset
from audit.entity import EntityType
from audit.run.choice import obstacle
from audit.run.kinds import CHOOSABLE, title_of
from audit.run.scope import RunScope
from audit.snapshot.catalog import Snapshot
from audit.text import plural_of


def left_out(scope: RunScope, settings: Settings) -> Iterator[str]:
    """What a run of the default scope leaves out, with the options that add it; nothing if its scope was chosen.

    Args:
        scope: what the run audits.
        settings: the configuration.
    """
    if scope.wanted is not None or scope.retry_failed:
        return
    # What nobody has named is the default.
    kinds = [] if settings.scope.entities else _other_kinds(scope.datasets, scope.kinds)
    is_default = settings.scope.datasets == Settings().scope.datasets
    others = [each for each in DATASETS.values() if is_default and each not in scope.datasets]
    datasets = [each for each in others if not obstacle(each, settings.scope, has_ids=False, has_users=False)]
    parts = []
    if kinds:
        flags = " ".join(f"--entity {title_of(kind)}" for kind in (*scope.kinds, *kinds))
        parts.append(f"{', '.join(map(plural_of, kinds))} ({flags})")
    if datasets:
        parts.append(f"{', '.join(map(title_of, datasets))} (--dataset all)")
    if parts:
        yield f"not audited by default: {'; '.join(parts)}"


def _other_kinds(datasets: Iterable[Dataset], kinds: Iterable[EntityType]) -> list[EntityType]:
    """The kinds that the datasets could also be read of."""
    possible = {kind for each in datasets if not each.by_user for kind in each.scopes if kind in CHOOSABLE}
    return [kind for kind in EntityType if kind in possible - {*kinds}]


def next_steps(snapshot: Snapshot, given: dict[str, Any], settings: Settings, reports: Sequence[Path]) -> Iterator[str]:
    """What to do after a run, each step with its command.

    Args:
        snapshot: the new snapshot.
        given: the values of the options of the run, by name.
        settings: the configuration of the run.
        reports: the files of the reports that the run has written.
    """
    where = context(given)
    is_partial, files = snapshot.manifest.status == "partial", given["reports"]
    if is_partial:
        retried = ["run", "--retry-failed", snapshot.manifest.snapshot_id, *where, *api_context(given)]
        retried += [word for each in files for word in ("--report", each)]
        yield f"next, ask again for what has no answer: {as_line(retried)}"
    # The review reads Parquet.
    if "parquet" in settings.output.formats:
        steps = [f"open the report: {', '.join(map(str, reports))}"] if reports else []
        steps.append(f"check it against the rules: {as_line(['check', *where])}")
        steps += [] if files else [f"write a report for reviewers: {as_line(['report', *where])}"]
        yield f"{'or, as it is,' if is_partial else 'next,'} {steps[0]}"
        yield from (f"or {step}" for step in steps[1:])
