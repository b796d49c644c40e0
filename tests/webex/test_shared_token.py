"""A 401 for one organization or entity concerns only that one, if the API accepts the token elsewhere."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Result, Where

from audit.errors import RefusedError
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.simulator.simulation import ADMIN_SCOPES
from audit.snapshot.catalog import Snapshot
from audit.webex.errors import TokenRefusedError

Audit = Callable[..., Snapshot]
Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN, ONE, TWO = (Organization(size, seed=seed, people=30) for seed, size in enumerate((40, 60, 50), 1))
ALL: dict[str, Any] = {"scope__all_orgs": True}
ROOM = OWN.workspace(7)["id"]
WORDS = "The request requires a valid access token set in the Authorization request header."


def rows(snapshot: Snapshot, outcome: str) -> list[dict[str, Any]]:
    coverage = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return [row for row in coverage if row["outcome"] == outcome]


def statuses(snapshot: Snapshot) -> dict[str | None, str]:
    return {org.name: org.status for org in snapshot.manifest.orgs}


def of_me(simulation: Simulation) -> int:
    return len([line for line in simulation.log if "/people/me" in line])


@pytest.mark.parametrize("concurrency", [1, 50])
def test_an_entity_that_is_always_refused_is_forbidden_and_the_others_are_complete(
    concurrency: int, audit: Audit
) -> None:
    simulation = Simulation(OWN, Where("401", f"{ROOM}/pushToTalk"))
    snapshot = audit(simulation, pace__concurrency=concurrency)
    ((entity_id, status, message),) = [
        (row["entity_id"], row["http_status"], row["error_message"]) for row in rows(snapshot, "forbidden")
    ]
    assert (entity_id, status, message) == (ROOM, 401, WORDS)
    assert len([line for line in simulation.log if ROOM in line]) == 2
    assert of_me(simulation) <= 1 + 2


@pytest.mark.parametrize("number", [2, 3, 4, 20, 43])
def test_a_single_refusal_is_a_hiccup(number: int, audit: Audit) -> None:
    snapshot = audit(Simulation(OWN, parse(f"401@{number}"), max_page=15))
    assert snapshot.manifest.status == "complete"


def test_a_refusal_of_everything_but_ones_own_name_ends_a_run_and_names_the_organization(audit: Audit) -> None:
    simulation = Simulation(OWN, Where("401", "/workspaces"))
    with pytest.raises(RefusedError, match=rf"\(401\) for /workspaces of organization {OWN.name} .*suspended") as ended:
        audit(simulation)
    assert not isinstance(ended.value, TokenRefusedError)
    assert (ended.value.exit_code, ended.value.said) == (4, WORDS)
    # The workspaces are listed with their devices, then without: a token may lack the right to devices alone.
    assert len(simulation.log) <= 10


def test_a_refusal_of_every_entity_is_one_of_the_organization(audit: Audit) -> None:
    simulation = Simulation(OWN, Where("401", "pushToTalk"))
    with pytest.raises(RefusedError, match=rf"organization {OWN.name} .*every workspace is refused \(401\).*suspended"):
        audit(simulation)
    assert len([line for line in simulation.log if "pushToTalk" in line]) <= 2 * 40
    assert of_me(simulation) <= 2 * 40 + 1


def test_one_organization_that_is_refused_leaves_the_others_complete(audit: Audit) -> None:
    simulation = Simulation(OWN, customers=(ONE, TWO), faults_of={ONE.org_id: parse("401=1!")})
    snapshot = audit(simulation, **ALL)
    assert statuses(snapshot) == {OWN.name: "complete", ONE.name: "refused", TWO.name: "complete"}
    (message,) = [org.message or "" for org in snapshot.manifest.orgs if org.status == "refused"]
    assert ONE.name in message
    assert "(401)" in message
    assert "the organization may be suspended" in message
    assert "scope" not in message


def test_an_organization_that_is_refused_amid_its_crawl_leaves_the_others_complete(audit: Audit) -> None:
    simulation = Simulation(OWN, customers=(ONE, TWO), faults_of={ONE.org_id: parse("401@30+100000")})
    snapshot = audit(simulation, **ALL)
    assert statuses(snapshot) == {OWN.name: "complete", ONE.name: "partial", TWO.name: "complete"}
    assert {row["http_status"] for row in rows(snapshot, "forbidden")} == {401}
    again = audit(Simulation(OWN, customers=(ONE, TWO)), retry_failed=snapshot)
    assert again.manifest.status == "complete"


def test_a_token_that_may_not_read_its_own_name_is_accepted_too(audit: Audit) -> None:
    tokens = {ADMIN_TOKEN: ADMIN_SCOPES - {"spark:people_read"}}
    simulation = Simulation(OWN, Where("401", f"{ROOM}/pushToTalk"), tokens=tokens)
    assert [row["entity_id"] for row in rows(audit(simulation, pace__concurrency=1), "forbidden")] == [ROOM]


@pytest.mark.parametrize("faults", [Where("401", ONE.org_id), Where("401", f"{ROOM}/pushToTalk"), Faults()])
def test_a_token_that_is_refused_everywhere_ends_the_run_at_once(faults: Faults, audit: Audit) -> None:
    asked: list[int] = []

    class Revoked(Organization):
        def push_to_talk(self, index: int) -> Any:
            asked.append(len(simulation.log))
            if len(asked) == 10:
                simulation.tokens.clear()
            return super().push_to_talk(index)

    simulation = Simulation(Revoked(40, seed=1, people=30), faults, customers=(ONE, TWO))
    with pytest.raises(TokenRefusedError, match="401"):
        audit(simulation, **ALL)
    assert len(simulation.log) - asked[9] < 80


@pytest.fixture
def vault(tmp_path: Path) -> Callable[[str], tuple[str, Path]]:
    """A token command, and the file to which it adds a line each time; the code gives the token, n is the line."""

    def make(code: str) -> tuple[str, Path]:
        calls, script = tmp_path / "calls", tmp_path / "vault.py"
        script.write_text(
            f"import pathlib\np = pathlib.Path({str(calls)!r})\np.open('a').write('x\\n')\n"
            f"n = p.read_text().count('x')\nprint({code})\n"
        )
        return f"{sys.executable} {script}", calls

    return make


@pytest.fixture
def run(webex_audit: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setattr("audit.run.engine._SPREAD_S", 0.01)

    def run(url: str, *arguments: str) -> Result:
        return webex_audit("run", "--base-url", url, "--json", *arguments)

    return run


def any_of(prefix: str) -> Any:
    """The tokens with this prefix."""

    class Tokens(dict[str, frozenset[str]]):
        def __contains__(self, token: object) -> bool:
            return str(token).startswith(prefix)

        def __missing__(self, token: str) -> frozenset[str]:
            return ADMIN_SCOPES

    return Tokens()


@pytest.mark.few(2)
@pytest.mark.parametrize("code", ["'good'", "'good%d' % n"])
@pytest.mark.parametrize("what", ["organization", "rooms"])
def test_no_renewal_storm_comes_of_what_is_always_refused(
    code: str, what: str, vault: Any, api: Api, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, calls = vault(code)
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_TOKEN_COMMAND", command)
    rooms = [ONE.workspace(index)["id"] for index in range(0, 60, 2)]
    faults = parse("401=1!") if what == "organization" else Where("401", *(f"{room}/pushToTalk" for room in rooms))
    url = api(Simulation(OWN, customers=(ONE, TWO), faults_of={ONE.org_id: faults}, tokens=any_of("good")))
    result = run(url, "--all-orgs")
    assert result.code == 3, result.err
    found = {org["name"]: org["status"] for org in json.loads(result.out)["orgs"]}
    expected = "refused" if what == "organization" else "partial"
    assert found == {OWN.name: "complete", ONE.name: expected, TWO.name: "complete"}
    # Once to begin with, and once for the refused token.
    assert calls.read_text().count("x") <= 2


def test_a_token_that_expires_is_renewed_beside_an_organization_that_is_always_refused(
    vault: Any, api: Api, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, calls = vault("'good%d' % n")
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_TOKEN_COMMAND", command)
    simulation = Simulation(OWN, customers=(ONE, TWO), faults_of={ONE.org_id: parse("401=1!")})

    class Expiring(dict[str, frozenset[str]]):
        """Each token is good for 60 requests of the server."""

        def __contains__(self, token: object) -> bool:
            return int(str(token).removeprefix("good")) > (len(simulation.log) - 1) // 60

        def __missing__(self, token: str) -> frozenset[str]:
            return ADMIN_SCOPES

    simulation.tokens = Expiring()
    # Low concurrency: a repeated request must not meet the end of the next token, too.
    result = run(api(simulation), "--all-orgs", "--concurrency", "8")
    assert result.code == 3, result.err
    assert [org["status"] for org in json.loads(result.out)["orgs"] if org["name"] != ONE.name] == ["complete"] * 2
    assert calls.read_text().count("x") <= len(simulation.log) // 60 + 3


def test_a_token_file_that_has_not_changed_is_no_other_token(api: Api, run: Command, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "token").chmod(0o600)
    result = run(api(Simulation(OWN, Where("401", f"{ROOM}/pushToTalk"))), "--token-file", "token")
    assert result.code == 3, result.err
    assert json.loads(result.out)["outcomes"]["push_to_talk"]["forbidden"] == 1
    (tmp_path / "token").write_text("revoked")
    refused = run(api(Simulation(OWN)), "--token-file", "token")
    assert refused.code == 4
    assert "put a new token into" in refused.err


def test_the_doctor_names_an_organization_that_is_refused(
    api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(OWN, customers=(ONE, TWO), faults_of={ONE.org_id: parse("401=1!")}))
    result = webex_audit("doctor", "--base-url", url, "--all-orgs", "--json")
    failed = [check["message"] for check in json.loads(result.out) if check["status"] == "failed"]
    assert (result.code, len(failed)) == (3, 1)
    assert f"refuses the token (401) for /workspaces of organization {ONE.name} (" in failed[0]
