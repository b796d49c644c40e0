"""The options of `run` for the administrators' log, and what other commands show of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result, without
from logged import PLAIN, event, logged

from audit.simulator.app import ADMIN_TOKEN, Simulation

Command = Callable[..., Result]
Api = Callable[[Simulation], str]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)


def test_the_option_and_the_key_read_the_log_that_other_commands_show(
    api: Api, webex_audit: Command, tmp_path: Path
) -> None:
    url = api(Simulation(logged(event(1, actorIp="203.0.113.9"))))
    assert webex_audit("run", "--admin-events", "--base-url", url).code == 0
    asked = webex_audit("query", "SELECT actor_name, extra FROM admin_events", "--json")
    assert json.loads(asked.out)[0]["actor_name"] == "Dana Sato"
    assert "203.0.113.9" not in asked.out
    assert webex_audit("verify").code == 0
    assert "administrators' log read, " in webex_audit("show").out
    assert json.loads(webex_audit("show", "--json").out)["orgs"][0]["admin_events"]["events"] == 1
    config = tmp_path / "config.toml"
    config.write_text("[run]\nadmin_events = true\nadmin_events_with_addresses = true\n")
    assert webex_audit("run", "--config", config, "--base-url", url).code == 0
    assert "203.0.113.9" in webex_audit("query", "SELECT extra FROM admin_events", "--json").out


def test_a_token_that_may_not_read_the_log_ends_with_0_and_one_line(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(PLAIN, tokens=without("audit:events_read")))
    result = webex_audit("run", "--admin-events", "--base-url", url)
    assert result.code == 0
    assert result.err.count("audit:events_read") == 1
    assert "administrators' log not read" in webex_audit("show").out


def test_addresses_alone_are_a_mistake(webex_audit: Command) -> None:
    result = webex_audit("run", "--admin-events-with-addresses")
    assert result.code == 2
    assert "add it" in result.err


def test_a_dry_run_names_the_scope_and_the_request_and_asks_for_no_event(api: Api, webex_audit: Command) -> None:
    simulation = Simulation(PLAIN)
    url = api(simulation)
    plans = [
        json.loads(webex_audit("run", "--dry-run", "--json", "--base-url", url, *more).out)
        for more in ((), ("--admin-events",))
    ]
    assert plans[1]["requests"] == plans[0]["requests"] + 1
    assert set(plans[1]["scopes"]) - set(plans[0]["scopes"]) == {"audit:events_read"}
    assert not any("adminAudit" in line for line in simulation.log)
