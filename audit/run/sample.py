"""Reads the settings of a few real entities, so that the doctor says what was answered instead of what to expect.

Sources disagree on whether a read-only administrator may read settings, and a 403 does not say which right is missing.
Nothing of the answers is kept.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from audit.crawl.offer import is_unknown
from audit.crawl.reader import Reader, Reading
from audit.datasets import Dataset
from audit.datasets.answers import read_answers
from audit.entity import Entity
from audit.errors import PARTIAL_EXIT_CODE, AuditError, StoppedError
from audit.outcome import Outcome
from audit.run.check import Check, failed
from audit.run.kinds import title_of
from audit.webex.answer import Answer
from audit.webex.errors import NotAcceptedError, ScopeError, needed

#: The most entities to read: the first may be without a license, or deleted.
_MOST = 5


class Asked(NamedTuple):
    """What a sample is of.

    Attributes:
        name: the name of the check.
        dataset: what is read.
        scope: the scope that the reads need.
        listed: what is known of the listing, for the message.
        listing_scope: the scope with which the listing was answered; None without a listing.
    """

    name: str
    dataset: Dataset
    scope: str
    listed: str
    listing_scope: str | None = None


async def sample(reader: Reader, entities: Iterable[Entity], asked: Asked) -> Check:
    """Read the settings of entities until one is answered with settings.

    Args:
        reader: reads an entity.
        entities: in order; those with a known outcome are passed over, as a run does not ask for them either. Hot desks
            come last, because they may have no settings.
        asked: what the sample is of.

    Raises:
        AuditError: as `Reader.read`.
    """
    answers: list[Answer] = []
    asked_for = sorted((each for each in entities if not each.known_outcome), key=lambda each: each.is_hot_desk)
    for entity in asked_for[:_MOST]:
        answers += [_judged(reading, asked.dataset) for reading in await reader.read(entity)]
        if any(answer.outcome is Outcome.OK for answer in answers):
            break
    return _check(answers, asked)


def _judged(reading: Reading, dataset: Dataset) -> Answer:
    """The answer as a run would judge it."""
    answer = reading.answer
    if answer.outcome is not Outcome.OK:
        return answer
    defects = read_answers([answer.body], dataset.answer, dataset.required).defects
    return Answer(
        Outcome.INVALID_RESPONSE if defects else Outcome.OK,
        answer.status,
        b"",
        defects.get(0),
        answer.tracking_id,
        answer.attempts,
        answer.fetched_at,
    )


def _check(answers: list[Answer], asked: Asked) -> Check:
    title, counts = title_of(asked.dataset), Counter(answer.outcome for answer in answers)
    if not answers:
        return Check(asked.name, "ok", f"{asked.listed}; there is nothing to ask for, so reading {title} is not tested")
    others = ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()) if outcome is not Outcome.OK)
    if counts[Outcome.OK]:
        before = f" (other answers: {others})" if others else ""
        return Check(asked.name, "ok", f"{asked.listed}, {title} was read: HTTP 200, scope {asked.scope}{before}")
    refused = [answer for answer in answers if answer.outcome is Outcome.FORBIDDEN]
    if refused and all(outcome.is_complete for outcome in counts if outcome is not Outcome.FORBIDDEN):
        error = _forbidden(refused[-1], f"{len(refused)} of {len(answers)}", asked)
        # A run gives a kind up if all of its first answers are refusals.
        return failed(asked.name, error, PARTIAL_EXIT_CODE if len(counts) > 1 else None)
    return _unread(answers, asked, others)


def _unread(answers: list[Answer], asked: Asked, others: str) -> Check:
    """The check of a sample in which no answer is settings, and not all are refusals."""
    title, last, outcomes = title_of(asked.dataset), answers[-1], {answer.outcome for answer in answers}
    is_status_told = not last.status or f"HTTP {last.status}" in (last.message or "")
    said = last.message if is_status_told else f"HTTP {last.status}, {last.message}"
    if asked.dataset.is_new and all(map(is_unknown, answers)):
        lack = f"the API may not offer {title} to this organization yet (a run is complete without), or these are gone"
        return Check(asked.name, "warning", f"{asked.listed}, but the first answers are {others} ({said}): {lack}")
    if all(outcome.is_complete for outcome in outcomes):
        unknown = f"whether {title} can be read is not known: the first answers are {others} ({said})"
        return Check(asked.name, "warning", f"{asked.listed}, but {unknown}")
    exit_code = StoppedError.exit_code if all(outcome.is_unanswered for outcome in outcomes) else PARTIAL_EXIT_CODE
    return Check(asked.name, "failed", f"{asked.listed}, but {title} is not answered: {others} ({said})", exit_code)


def _forbidden(answer: Answer, share: str, asked: Asked) -> AuditError:
    refused = f"{asked.listed}, but {title_of(asked.dataset)} can't be read (HTTP {answer.status}, {share})"
    if answer.status == 401:
        return NotAcceptedError(
            f"{refused}, though the token is accepted elsewhere: the organization may be suspended, or no longer "
            "managed with this token"
        ).saying(answer.message)
    if asked.scope == asked.listing_scope:
        return ScopeError(
            f"{refused}: the listing was answered with the same scope, {asked.scope}, so the role is too small (try a "
            "full administrator in place of a read-only or location administrator), or Control Hub restricts the API "
            "access to call settings"
        ).saying(answer.message)
    return ScopeError(f"{refused}: {needed(asked.scope)}").saying(answer.message)
