"""The author of a rule: writes it, accepts what is there, and hears of what is new."""

import json
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from crafted import Audit, crafted
from walking import Reader

from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization


def long_list(organization: Organization, answer: Json) -> Json:
    return answer


def short_list(organization: Organization, answer: Json) -> Json:
    return answer | {"members": [organization.member(1)]}


def failures(path: Path) -> list[str]:
    return [str(each.get("message")) for each in ET.parse(path).getroot().iter("failure")]


@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.few(1)
@pytest.mark.slow
def test_an_author_accepts_what_is_there_and_hears_of_what_is_new(
    umask: int, reader: Reader, audit: Audit, tmp_path: Path
) -> None:
    reader.umask = umask
    audit(Simulation(crafted(short_list, short_list, long_list)))
    told = reader.walk("rule-author.sh", tmp_path / "out")
    assert told.code == 0, told
    assert "4 members may call" in told.out
    assert "NIST" in told.out
    entries = tomllib.loads((reader.folder / "baseline.toml").read_text())["exception"]
    assert [each["rule"] for each in entries] == ["long-list"]
    assert failures(reader.folder / "junit.xml") == []
    assert reader.open_to_others(but=frozenset({"long-list.sql", "junit.xml"})) == []

    audit(Simulation(crafted(short_list, long_list, long_list)))
    last = (
        "check",
        "--output",
        tmp_path / "out",
        "--rules",
        "rules",
        "--rule",
        "long-list",
        "--baseline",
        "baseline.toml",
    )
    new = reader.ask(*last, "--fail-on", "medium", "--json")
    assert new.code == 1
    (result,) = [each for each in json.loads(new.out)["results"] if each["rule"]["rule_id"] == "long-list"]
    opened = [each["entity_name"] for each in result["findings"]]
    assert opened == ["Room 1"]
    assert reader.ask(*last, "--fail-on", "high").code == 0


@pytest.mark.slow
def test_a_mistake_in_a_rule_is_one_line_that_names_it(reader: Reader, audit: Audit, tmp_path: Path) -> None:
    audit(Simulation(crafted()))
    assert reader.walk("rule-author.sh", tmp_path / "out").code == 0
    rule = reader.folder / "rules" / "long-list.sql"
    good = rule.read_text()
    for was, now, said in (
        ("-- severity: medium", "-- severity: awful", "severity"),
        ("member_count > 3", "member_cout > 3", "member_cout"),
        ("-- remedy: Shorten the list.\n", "", "remedy"),
    ):
        rule.write_text(good.replace(was, now))
        told = reader.ask("check", "--rules", "rules", "--output", tmp_path / "out")
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), said
        assert "long-list" in told.err, said
        assert said in told.err
