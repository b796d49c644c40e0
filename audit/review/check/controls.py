"""Controls of security frameworks that a rule supports evidence for: the frameworks, and the `controls:` of a header.

A rule gives evidence; whether an organization meets a control is for an assessor to say.
"""

import re
from collections.abc import Iterable
from itertools import groupby

import msgspec

from audit.text import did_you_mean


class Framework(msgspec.Struct, frozen=True):
    """A catalog of controls.

    Attributes:
        name: what headers and results call it.
        title, version: what its publisher calls it.
        url: where its publisher has it.
        pattern: a regular expression that the ids of its controls match.
        example: one of its ids.
    """

    name: str
    title: str
    version: str
    url: str
    pattern: str
    example: str


class Control(msgspec.Struct, frozen=True):
    """A control: the name of its framework and its id there, such as SC-15."""

    framework: str
    id: str


_FAMILIES = "AC|AT|AU|CA|CM|CP|IA|IR|MA|MP|PE|PL|PM|PS|PT|RA|SA|SC|SI|SR"

#: The frameworks, in the order of all listings.
FRAMEWORKS = {
    each.name: each
    for each in (
        Framework(
            "NIST-800-53",
            "NIST SP 800-53",
            "Rev. 5",
            "https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",
            rf"({_FAMILIES})-[1-9][0-9]?(\([1-9][0-9]?\))?",
            "SC-15",
        ),
        Framework(
            "NIST-800-171",
            "NIST SP 800-171",
            "Rev. 2",
            "https://csrc.nist.gov/pubs/sp/800/171/r2/upd1/final",
            r"3\.([1-9]|1[0-4])\.[1-9][0-9]?",
            "3.13.12",
        ),
        Framework(
            "ISO-27001",
            "ISO/IEC 27001",
            "2022",
            "https://www.iso.org/standard/27001",
            r"A\.(5\.([1-9]|[12][0-9]|3[0-7])|6\.[1-8]|7\.([1-9]|1[0-4])|8\.([1-9]|[12][0-9]|3[0-4]))",
            "A.5.15",
        ),
        Framework(
            "SOC2",
            "AICPA Trust Services Criteria",
            "2017, points of focus of 2022",
            "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022",
            r"CC[1-9]\.[1-9]|A1\.[1-3]|C1\.[12]|PI1\.[1-5]|P[1-8]\.[0-9]",
            "CC6.1",
        ),
        Framework(
            "HIPAA",
            "HIPAA Security and Privacy Rules",
            "45 CFR Part 164",
            "https://www.ecfr.gov/current/title-45/subtitle-A/subchapter-C/part-164",
            r"164\.[1-9][0-9]{2}(\([A-Za-z0-9]{1,5}\)){0,5}",
            "164.310(c)",
        ),
    )
}

#: Prohibits the remote activation of microphones and cameras, "with the following exceptions: [organization-defined]".
REMOTE_ACTIVATION = Control("NIST-800-53", "SC-15")
#: What the accepted findings of a rule of that control are.
EXCEPTIONS = (
    "the accepted findings are the organization-defined exceptions that NIST-800-53 SC-15 asks for, "
    "with reason, owner and last day"
)


def parse_controls(text: str) -> tuple[Control, ...]:
    """Controls from their text in a header, such as `NIST-800-53 SC-15, AC-3; SOC2 CC6.1`.

    Raises:
        ValueError: a framework is unknown, or an id is malformed or stands twice; the message says which.
    """
    found: list[Control] = []
    for part in text.split(";"):
        name, _, ids = part.strip().partition(" ")
        for each in ids.split(","):
            control = Control(name, each.strip())
            _validate(control)
            if control in found:
                raise ValueError(f"controls name {name} {control.id} twice")
            found.append(control)
    return tuple(found)


def _validate(control: Control) -> None:
    framework = FRAMEWORKS.get(control.framework)
    if framework is None:
        known = did_you_mean(control.framework, FRAMEWORKS, otherwise=f"; expected one of {', '.join(FRAMEWORKS)}")
        raise ValueError(f"controls name the unknown framework {control.framework!r}{known}")
    if not re.fullmatch(framework.pattern, control.id):
        raise ValueError(f"controls name {control.id!r}, not an id of {framework.name} such as {framework.example}")


def controls_text(controls: Iterable[Control]) -> str:
    """Controls as a header writes them: `NIST-800-53 SC-15, AC-3; SOC2 CC6.1`."""
    by_framework = groupby(sorted(controls, key=lambda each: _rank(each)[1]), key=lambda each: each.framework)
    return "; ".join(f"{name} {', '.join(each.id for each in group)}" for name, group in by_framework)


def in_order(controls: Iterable[Control]) -> list[Control]:
    """Distinct controls: SC-15 first, then by framework and number."""
    return sorted(set(controls), key=_rank)


def _rank(control: Control) -> tuple[bool, int, list[tuple[int, str]]]:
    numbers = [(int(each), "") if each.isdigit() else (0, each) for each in re.findall(r"[0-9]+|[^0-9]+", control.id)]
    return control != REMOTE_ACTIVATION, list(FRAMEWORKS).index(control.framework), numbers
