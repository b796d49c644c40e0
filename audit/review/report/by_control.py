"""The results of a check by control: what an assessor looks for, bounded, however many findings there are."""

from dataclasses import dataclass

from audit.review.check.controls import FRAMEWORKS, REMOTE_ACTIVATION, Control, Framework, in_order
from audit.review.check.finding import CheckResult, Finding, RuleResult

#: The most exceptions that the report lists for a control.
MAX_EXCEPTIONS = 100


@dataclass(frozen=True)
class OfControl:
    """What the rules of one control found.

    Attributes:
        control: the control.
        results: the results of its rules, the most severe rules first.
    """

    control: Control
    results: list[RuleResult]

    @property
    def framework(self) -> Framework:
        """The framework of the control."""
        return FRAMEWORKS[self.control.framework]

    @property
    def open_total(self) -> int:
        """Number of open findings."""
        return sum(len(each.findings) for each in self.results)

    @property
    def accepted_total(self) -> int:
        """Number of accepted findings."""
        return sum(len(each.excepted) for each in self.results)

    @property
    def exceptions(self) -> list[Finding]:
        """The accepted findings that somebody answers for: a baseline accepts others, too."""
        return [finding for each in self.results for finding in each.excepted if finding.baseline != "without owner"]

    @property
    def wants_exceptions(self) -> bool:
        """Whether the control asks for a list of exceptions, as SC-15 does."""
        return self.control == REMOTE_ACTIVATION


def by_control(checks: CheckResult) -> list[OfControl]:
    """The controls that the rules name, SC-15 first, each with the results of its rules."""
    results = sorted(checks.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id))
    controls = in_order(control for each in results for control in each.rule.controls)
    return [OfControl(control, [each for each in results if control in each.rule.controls]) for control in controls]
