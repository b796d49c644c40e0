"""A check as OSCAL Assessment Results: what an assessor imports beside the plan and the system security plan.

Source: model `assessment-results` of OSCAL 1.2.3, https://pages.nist.gov/OSCAL/. Each rule is an assessment objective
of its own for the controls that it names: it gives evidence for a control, and never decides whether the control is
met. Only a rule that found something, or judged everything, becomes a finding.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from audit import __version__
from audit.errors import UsageError
from audit.review.check.controls import FRAMEWORKS, Control, controls_text, in_order
from audit.review.check.finding import CheckResult
from audit.review.check.formats import oscal_items as items
from audit.review.check.formats import oscal_words as words
from audit.review.check.formats.encoding import safe_json
from audit.review.check.formats.oscal_items import TOOL, Json, Observed

_VERSION = "1.2.3"
_PLAN = words.identity("assessment-plan")
_EVIDENCE = "The rules of webex-audit support evidence for these controls; they do not decide whether a control is met."


def as_oscal(result: CheckResult, at: datetime) -> str:
    """A check as one JSON document.

    Args:
        result: the result.
        at: the time (UTC) of the check.

    Raises:
        UsageError: no rule names a control, and OSCAL has results about controls only.
    """
    if not any(each.rule.controls for each in result.results):
        raise UsageError("--format oscal: no rule names a control: add a line '-- controls: …' to the header of a rule")
    scope = words.identity("organizations", *result.org_ids)
    pieces = [*_result(result, [items.observe(each, scope) for each in result.results], at)]
    head: Json = {
        "uuid": words.identity("document", _digest(pieces)),
        "metadata": {
            "title": f"Check of snapshot {words.markup(result.snapshot_id)} by webex-audit",
            "last-modified": words.moment(at),
            "version": words.string(result.snapshot_id),
            "oscal-version": _VERSION,
        },
        "import-ap": {"href": f"#{_PLAN}"},
        "local-definitions": {"objectives-and-methods": [*_objectives(result)]},
    }
    opening = f'{{"assessment-results":{safe_json(head)[:-1]},\n"results":['
    return "".join([opening, *pieces, f"],\n{safe_json({'back-matter': {'resources': [_plan()]}})[1:]}}}"])


def _digest(pieces: list[str]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode())
    return digest.hexdigest()


def _plan() -> Json:
    """What stands for the assessment plan, to which OSCAL requires a reference."""
    return {
        "uuid": _PLAN,
        "title": "The rules of webex-audit in place of an assessment plan",
        "description": "This check follows no assessment plan in OSCAL: its plan is its rules. "
        "If you have a plan, let import-ap refer to it.",
    }


def _objectives(result: CheckResult) -> Iterator[Json]:
    """Each rule as an objective of its own for each of its controls."""
    for rule in (each.rule for each in result.results):
        evidence = words.properties(rule=rule.rule_id, supports_evidence_for=controls_text(rule.controls))
        prose = f"The rule {rule.rule_id} finds nothing: {words.markup(rule.title)}"
        for control in items.targets(rule):
            part = {"id": items.objective_id(rule, control), "name": "assessment-objective", "prose": prose}
            yield {"control-id": words.control_id(control), "props": evidence, "parts": [part]}


def _result(result: CheckResult, observed: list[Observed], at: datetime) -> Iterator[str]:
    """The result as pieces of JSON.

    Each item is encoded on its own: 100,000 of them as objects would take ten times the memory of their text.
    """
    start, end = words.moment(result.started_at or at), words.moment(result.finished_at or at)
    against = f", compared with {words.markup(result.previous_id)}" if result.previous_id else ""
    fields = {
        "uuid": words.identity("result", result.snapshot_id, result.previous_id),
        "title": f"Check of snapshot {words.markup(result.snapshot_id)}",
        "description": f"The rules of webex-audit over snapshot {words.markup(result.snapshot_id)}{against}.",
        "start": start,
        "end": end,
        "reviewed-controls": {"control-selections": [*_selections(result)]},
    }
    yield safe_json(fields)[:-1]
    yield f',\n"local-definitions":{safe_json({"assessment-assets": _assets()})[:-1]}'
    yield from _array("components", items.subjects(observed, "component"))
    yield from _array("inventory-items", items.subjects(observed, "inventory-item"))
    yield "}"
    yield from _array("observations", items.observations(observed, end))
    yield from _array("risks", items.risks(observed))
    yield from _array("findings", items.findings(observed))
    yield "}"


def _array(name: str, rows: Iterable[Json]) -> Iterator[str]:
    """A member of an object, or nothing: OSCAL allows no empty array."""
    before = f',\n"{name}":[\n'
    for row in rows:
        yield f"{before}{safe_json(row)}"
        before = ",\n"
    if before == ",\n":
        yield "]"


def _selections(result: CheckResult) -> Iterator[Json]:
    controls = in_order(control for each in result.results for control in items.targets(each.rule))
    for name, framework in FRAMEWORKS.items():
        of_framework: list[Control] = [each for each in controls if each.framework == name]
        if of_framework:
            yield {
                "description": f"{framework.title} {framework.version}. {_EVIDENCE}",
                "links": [{"href": framework.url, "rel": "reference"}],
                "include-controls": [{"control-id": words.control_id(each)} for each in of_framework],
            }


def _assets() -> Json:
    """The tool, as OSCAL wants the origin of a finding to be defined."""
    return {
        "components": [
            {
                "uuid": TOOL,
                "type": "software",
                "title": "webex-audit",
                "description": "Reads settings of Webex organizations into snapshots, and checks these offline.",
                "props": [{"name": "version", "value": __version__}],
                "status": {"state": "operational"},
            }
        ],
        "assessment-platforms": [
            {
                "uuid": words.identity("platform"),
                "title": "The machine that ran webex-audit check",
                "uses-components": [{"component-uuid": TOOL}],
            }
        ],
    }
