"""The partner: a profile for each customer, or one token for all of them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browsing import browser
from harness import Result
from signing_in import free_port
from walking import Reader

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.simulator.simulation import ADMIN_SCOPES
from audit.webex.ids import uuid_of

Api = Callable[[Simulation], str]
CUSTOMERS = ("customer-a", "customer-b", "customer-c")


class Noted(dict[str, frozenset[str]]):
    """The access tokens that an API knows; notes each that it gets."""

    def __init__(self, known: dict[str, frozenset[str]]) -> None:
        super().__init__(known)
        self.got: list[str] = []

    def __contains__(self, token: object) -> bool:
        self.got.append(str(token))
        return super().__contains__(token)


@pytest.fixture
def simulations(reader: Reader, api: Api) -> dict[str, Simulation]:
    """An API of each customer, with a client secret of its own, and the configuration of its profile."""
    made = {}
    for seed, name in enumerate(CUSTOMERS, 1):
        made[name] = Simulation(
            Organization(3 + seed, seed=seed, odd=False),
            parse("token-rotate"),
            tokens=Noted({}),
            client_secret=f"{name}-secret",
        )
        secret = reader.home / f"secret-{name}"
        secret.write_text(f"{name}-secret")
        secret.chmod(0o600)
        keys = {"base_url": api(made[name]), "client_id": f"C-{name}", "client_secret_file": str(secret)}
        lines = [f"{key} = {json.dumps(text)}" for key, text in keys.items()]
        reader.configure(
            "\n".join(["[webex]", *lines, "[output]", f'path = "snapshots/{name}"\n']), f"profiles/{name}.toml"
        )
    return made


def walked(reader: Reader, tmp_path: Path, *customers: str, **variables: str) -> Result:
    return reader.walk("partner-profiles.sh", *customers, BROWSER=browser(tmp_path), PORT=str(free_port()), **variables)


def orgs_of(reader: Reader, customer: str) -> list[str]:
    (folder,) = (reader.folder / "snapshots" / customer).glob("*/manifest.json")
    return [each["org_id"] for each in json.loads(folder.read_bytes())["orgs"]]


def refresh_tokens(reader: Reader) -> dict[str, str]:
    logins = reader.home / ".local" / "state" / "webex-audit" / "logins"
    return {path.parent.name: path.read_text().strip() for path in logins.glob("*/refresh-token")}


@pytest.mark.parametrize("variables", [{"WEBEX_ACCESS_TOKEN": "of-somebody-else"}, {}], ids=["with a token", ""])
@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.few(1)
@pytest.mark.slow
def test_no_token_of_a_profile_is_sent_for_another(
    variables: dict[str, str], umask: int, reader: Reader, simulations: dict[str, Simulation], tmp_path: Path
) -> None:
    reader.umask = umask
    told = walked(reader, tmp_path, *CUSTOMERS, **variables)
    assert told.code == 0, told
    for name, served in simulations.items():
        assert isinstance(served.tokens, Noted)
        assert {*served.tokens.got} <= {*served.tokens}
        assert orgs_of(reader, name) == [uuid_of(served.organization.org_id)]
        others = [each.organization.name for each in simulations.values() if each is not served]
        report = (reader.folder / f"{name}.html").read_text()
        assert not [other for other in others if other in report]
    assert len({*refresh_tokens(reader).values()}) == len(CUSTOMERS)
    assert reader.open_to_others(but=frozenset(f"{name}.toml" for name in CUSTOMERS)) == []


@pytest.mark.slow
def test_a_customer_whose_login_is_dead_is_named_with_the_way_out(
    reader: Reader, simulations: dict[str, Simulation], tmp_path: Path
) -> None:
    for name in ("customer-a", "customer-b"):
        login = ("login", "--profile", name, "--port", free_port())
        assert reader.ask(*login, BROWSER=browser(tmp_path)).code == 0
    before = {name: len(served.log) for name, served in simulations.items()}
    simulations["customer-b"].faults = parse("token-invalid-grant=1!")
    simulations["customer-b"].tokens.clear()
    told = {name: reader.ask("run", "--quiet", "--profile", name) for name in CUSTOMERS}
    assert [told[name].code for name in CUSTOMERS] == [0, 4, 2]
    assert "'webex-audit login --profile customer-b'" in told["customer-b"].err
    assert "'webex-audit login --profile customer-c'" in told["customer-c"].err
    assert len(simulations["customer-c"].log) == before["customer-c"]


@pytest.mark.slow
def test_a_partner_audits_all_customers_with_one_token(reader: Reader, api: Api) -> None:
    customers = tuple(Organization(5, seed=seed, odd=False) for seed in (2, 3, 4))
    tokens = Noted({ADMIN_TOKEN: ADMIN_SCOPES})
    served = Simulation(Organization(4, odd=False), customers=customers, tokens=tokens)
    told = reader.walk("partner.sh", WEBEX_ACCESS_TOKEN=ADMIN_TOKEN, WEBEX_AUDIT_BASE_URL=api(served))
    assert told.code == 0, told
    assert {*tokens.got} == {ADMIN_TOKEN}
    organizations = {uuid_of(each.org_id) for each in served.organizations}
    (manifest,) = (reader.folder / "snapshots").glob("*/manifest.json")
    content: dict[str, Any] = json.loads(manifest.read_bytes())
    assert {each["org_id"] for each in content["orgs"]} == organizations
    for path in manifest.parent.rglob("coverage*.csv"):
        with path.open(newline="") as file:
            rows = [*csv.DictReader(file)]
        assert len({row["org_id"] for row in rows}) == 1, path
    report = (reader.folder / "report.html").read_text()
    assert all(each.name in report for each in served.organizations)
    assert reader.open_to_others() == []
