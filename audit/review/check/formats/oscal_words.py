"""The data types of OSCAL: identities that stay the same, and texts from outside that stay text."""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from audit.review.check.controls import Control
from audit.review.check.finding import Finding
from audit.review.check.formats.encoding import compact_json
from audit.review.vocabulary import kind_of
from audit.text import printable

#: The namespace of all identities, and that of the properties that OSCAL does not define.
_IDENTITIES = UUID("6e0c1d5c-8a52-5f0e-9d6b-0d4f2f5f7a15")
_PROPERTIES = "urn:webex-audit:oscal"
#: What OSCAL's Markdown gives a meaning; a backslash takes it away.
_MARKUP = re.compile(r"[\\`*_~^\[\]{}<>\"#|!&]")
_ORIGINAL = "NIST-800-53"


def identity(kind: str, *parts: str | None) -> str:
    """A UUID (version 5) that is the same whenever kind and parts are the same."""
    return str(uuid5(_IDENTITIES, compact_json([kind, *parts])))


def moment(at: datetime) -> str:
    """A time as OSCAL writes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def string(text: str) -> str:
    """A text as the data type `string`: one line without blanks around it, control characters escaped."""
    return printable(text).strip() or "(blank)"


def markup(text: str) -> str:
    """A text as the data types `markup-line` and `markup-multiline`, in which it means nothing but itself."""
    return _MARKUP.sub(r"\\\g<0>", string(text))


def properties(**values: str | None) -> list[dict[str, str]]:
    """Properties of our own; those without a value are left out."""
    return [
        {"name": name.replace("_", "-"), "ns": _PROPERTIES, "value": string(value)}
        for name, value in values.items()
        if value is not None
    ]


def control_id(control: Control) -> str:
    """The id of a control as NIST's catalog in OSCAL writes it (`ia-5.1`); of other frameworks in the same manner."""
    plain = re.sub(r"\(([^)]+)\)", r".\1", control.id)
    return plain.lower() if control.framework == _ORIGINAL else f"{control.framework.lower()}_{plain}"


class Subject(NamedTuple):
    """What a finding is about: its identity in a document, and the type that OSCAL knows it by."""

    uuid: str
    type: str


def subject_of(finding: Finding) -> Subject | None:
    """An entity is an inventory item, an organization a component; None for a finding about the whole audit."""
    if finding.entity_id is not None:
        return Subject(identity("entity", finding.org_id, finding.entity_type, finding.entity_id), "inventory-item")
    return Subject(identity("organization", finding.org_id), "component") if finding.org_id else None


def title_of(finding: Finding) -> str:
    """The name of the subject of a finding, or its id, as markup."""
    return markup(finding.entity_name or finding.entity_id or finding.org_id or "")


def item_of(finding: Finding) -> dict[str, Any]:
    """The inventory item of the entity of a finding."""
    asset = {"name": "asset-id", "value": string(finding.entity_id or "")}
    ours = properties(
        entity_type=finding.entity_type,
        name=finding.entity_name,
        location=finding.location_name,
        organization=finding.org_id,
    )
    what = f"Webex {markup(kind_of(finding.entity_type or 'entity'))} {title_of(finding)}"
    return {"description": what, "props": [asset, *ours]}


def component_of(finding: Finding) -> dict[str, Any]:
    """The component of the organization of a finding."""
    title = f"Webex organization {title_of(finding)}"
    return {"type": "service", "title": title, "description": title, "status": {"state": "operational"}}
