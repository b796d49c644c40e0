"""What OSCAL Assessment Results list: subjects, observations, risks, and findings about objectives."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from audit.review.check.controls import EXCEPTIONS, REMOTE_ACTIVATION, Control
from audit.review.check.finding import Finding, Rule, RuleResult
from audit.review.check.formats import oscal_words as words
from audit.text import count_of

TOOL = words.identity("tool")
_ORIGINS = [{"actors": [{"type": "tool", "actor-uuid": TOOL}]}]
Json = dict[str, Any]


class Observed(NamedTuple):
    """The result of a rule; its findings have the identities of their observations.

    Attributes:
        scope: the identity of the organizations that were checked, as others have the same rules.
        result: the result.
        open, accepted: the findings.
    """

    scope: str
    result: RuleResult
    open: list[tuple[str, Finding]]
    accepted: list[tuple[str, Finding]]

    @property
    def summary(self) -> tuple[str, str] | None:
        """The identity and text of an observation for what no finding says: nothing found, or not judged."""
        unjudged = self.result.unjudged
        if not unjudged and (self.open or self.accepted):
            return None
        text = f"not judged in full: {unjudged}" if unjudged else "nothing found"
        return words.identity("summary", self.scope, self.result.rule.rule_id), text


def observe(result: RuleResult, scope: str) -> Observed:
    """Give each finding of a rule the identity that it has in every check."""
    repeated: Counter[str] = Counter()

    def identified(finding: Finding) -> tuple[str, Finding]:
        whose = (finding.org_id, finding.entity_type, finding.entity_id, finding.detail)
        uuid = words.identity("observation", finding.rule_id, *whose)
        repeated[uuid] += 1
        # A rule may return the same row twice: each is an observation.
        return (uuid if repeated[uuid] == 1 else words.identity(uuid, str(repeated[uuid]))), finding

    return Observed(scope, result, [*map(identified, result.findings)], [*map(identified, result.excepted)])


def targets(rule: Rule) -> list[Control]:
    """The controls that findings of a rule are about: those of NIST's catalog, or else all that the rule names."""
    return [each for each in rule.controls if each.framework == REMOTE_ACTIVATION.framework] or [*rule.controls]


def objective_id(rule: Rule, control: Control) -> str:
    """The id of a rule as an objective of a control."""
    return f"{words.control_id(control)}_obj.{rule.rule_id}"


def subjects(results: Iterable[Observed], kind: Literal["inventory-item", "component"]) -> Iterator[Json]:
    """The definitions of the subjects of one type: entities, or organizations."""
    define = words.item_of if kind == "inventory-item" else words.component_of
    seen: set[str] = set()
    for each in results:
        for _, finding in (*each.open, *each.accepted):
            subject = words.subject_of(finding)
            if subject and subject.type == kind and subject.uuid not in seen:
                seen.add(subject.uuid)
                yield {"uuid": subject.uuid, **define(finding)}


def observations(results: Iterable[Observed], collected: str) -> Iterator[Json]:
    """An observation for each finding, open or accepted, and for what a rule did not find or could not judge."""
    for each in results:
        rule = each.result.rule
        for uuid, finding in (*each.open, *each.accepted):
            yield _observation(uuid, rule, finding.detail, collected) | _about(finding)
        if each.summary:
            uuid, text = each.summary
            yield _observation(uuid, rule, text, collected)


def _observation(uuid: str, rule: Rule, text: str, collected: str) -> Json:
    return {
        "uuid": uuid,
        "title": words.markup(rule.title),
        "description": f"{rule.rule_id}: {words.markup(text)}",
        "props": words.properties(rule=rule.rule_id, severity=rule.severity),
        "methods": ["TEST"],
        "types": ["control-objective"],
        "collected": collected,
    }


def _about(finding: Finding) -> Json:
    subject = words.subject_of(finding)
    about: Json = {"remarks": words.markup(finding.exception)} if finding.exception else {}
    if subject:
        about["subjects"] = [
            {"subject-uuid": subject.uuid, "type": subject.type, "title": words.title_of(finding)},
        ]
    return about


def risks(results: Iterable[Observed]) -> Iterator[Json]:
    """Each accepted finding as a risk whose deviation is approved."""
    for each in results:
        for uuid, finding in each.accepted:
            yield _risk(uuid, each.result.rule, finding)


def _risk(uuid: str, rule: Rule, finding: Finding) -> Json:
    risk: Json = {
        "uuid": words.identity("risk", uuid),
        "title": words.markup(rule.title),
        "description": f"{rule.rule_id}: {words.markup(finding.detail)}",
        "statement": words.markup(rule.rationale),
        "props": [{"name": "accepted", "value": "true"}],
        # Nobody has approved what a baseline accepts without an owner.
        "status": "deviation-approved" if finding.terms and finding.terms.owner.strip() else "deviation-requested",
        "origins": _ORIGINS,
        "related-observations": [{"observation-uuid": uuid}],
    }
    if terms := finding.terms:
        last_day = str(terms.expires) if terms.expires else None
        answers = {"owner": terms.owner or None, "reason": terms.reason or None, "last_day": last_day}
        risk["props"] += words.properties(**answers)
    if terms and terms.expires:
        risk["deadline"] = f"{terms.expires}T23:59:59Z"
    return risk


def findings(results: Iterable[Observed]) -> Iterator[Json]:
    """What each rule says about its objectives; nothing for a rule that found nothing and did not judge everything."""
    for each in results:
        if status := _status(each):
            for control in targets(each.result.rule):
                yield _finding(each, control, status)


def _status(each: Observed) -> Json | None:
    if each.open:
        return {"state": "not-satisfied", "reason": "fail"}
    if each.accepted:
        why = f"All that was found is accepted: {count_of(len(each.accepted), 'exception')}."
        return {"state": "not-satisfied", "reason": "other", "remarks": why}
    judged = each.result.status == "passed" and not each.result.unjudged
    return {"state": "satisfied", "reason": "pass"} if judged else None


def _finding(each: Observed, control: Control, status: Json) -> Json:
    rule = each.result.rule
    summary = [each.summary] if each.summary else []
    found: Json = {
        "uuid": words.identity("finding", each.scope, rule.rule_id, control.framework, control.id),
        "title": words.markup(rule.title),
        "description": f"{rule.rule_id}: {words.markup(rule.rationale)}",
        "props": words.properties(rule=rule.rule_id, severity=rule.severity),
        "origins": _ORIGINS,
        "target": {"type": "objective-id", "target-id": objective_id(rule, control), "status": status},
        "related-observations": [{"observation-uuid": uuid} for uuid, _ in (*each.open, *each.accepted, *summary)],
    }
    if each.accepted:
        found["related-risks"] = [{"risk-uuid": words.identity("risk", uuid)} for uuid, _ in each.accepted]
        if control == REMOTE_ACTIVATION:
            found["remarks"] = f"{EXCEPTIONS[:1].upper()}{EXCEPTIONS[1:]}."
    return found
