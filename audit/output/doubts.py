"""Doubts about complete answers: many entities that the listing names are not found when they are asked for.

Entities are deleted while a run works, but few of them. More speak for a gateway that answers in place of the API, or
for a role that lists more than it may read.
"""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from audit.outcome import Outcome

#: A larger share of answers `not_found` is in doubt, if at least `_LEAST` entities are not found: a single
#: deleted room is a large share of a small organization.
_SHARE = 0.2
_LEAST = 2
_COMPLETE = pa.array([str(outcome) for outcome in Outcome if outcome.is_complete])


def doubts_of(coverage: Iterable[pa.Table]) -> dict[str, str]:
    """The kinds of entity with too many answers `not_found`, each with the counts.

    Args:
        coverage: rows of entities that a listing has named (`audit.snapshot.coverage.COVERAGE_SCHEMA`). Entities that
            were not asked for do not count, nor do those without a complete answer.
    """
    answered: Counter[str] = Counter()
    not_found: Counter[str] = Counter()
    for rows in coverage:
        is_answered = pc.and_(pc.greater(rows["attempts"], 0), pc.is_in(rows["outcome"], _COMPLETE))
        answered.update(rows["entity_type"].filter(is_answered).to_pylist())
        is_not_found = pc.and_(is_answered, pc.equal(rows["outcome"], Outcome.NOT_FOUND))
        not_found.update(rows["entity_type"].filter(is_not_found).to_pylist())
    return {
        kind: f"{count} of {answered[kind]} that the listing names are not_found"
        for kind, count in sorted(not_found.items())
        if count >= _LEAST and count > _SHARE * answered[kind]
    }
