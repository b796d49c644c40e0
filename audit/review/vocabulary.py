"""The words of the API and of the tables, as every view of a review uses them."""

from audit.outcome import Outcome

#: The outcomes that are complete answers. SQL reads them with `getvariable('complete_outcomes')`.
COMPLETE_OUTCOMES = frozenset(str(outcome) for outcome in Outcome if outcome.is_complete)
