from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from harness import VirtualClock, run_virtually

from audit.crawl import crawl as crawl_module
from audit.crawl.batches import Backlog
from audit.crawl.crawl import Crawl, Limits, Sink
from audit.crawl.progress import Progress
from audit.crawl.reader import Reader
from audit.datasets import DATASETS
from audit.entity import EntityType
from audit.inventory import Collector, take_inventory
from audit.inventory.organizations import own_organization
from audit.outcome import Outcome
from audit.output import inventory as inventory_file
from audit.output.seal import Seal
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.webex.connection import connect
from audit.webex.errors import ApiGoneError, ScopeError, TokenRefusedError
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

PUSH_TO_TALK = DATASETS["push_to_talk"]

TOKENS = StaticTokens(Token(ADMIN_TOKEN))
#: Each test works in a folder of its own.
INVENTORY = Path("inventory.arrow")
OPTIONS: dict[str, Any] = {"concurrency": 5, "timeout_s": 5, "retry": RetryPolicy(6, 30, 300)}


class Recorder(Progress):
    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.requests = 0

    def on_answer(self, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1

    def on_requests(self, total: int, throttled: int) -> None:
        self.requests = total


def crawled(simulation: Simulation, **options: Any) -> tuple[dict[int, dict[str, pa.Table]], Recorder]:
    """The parts of a crawl; its faults begin after the inventory."""
    return crawled_with_refusals(simulation, **options)[:2]


def crawled_with_refusals(
    simulation: Simulation, *, faults: str = "", concurrency: int = 5, revoke: bool = False
) -> tuple[dict[int, dict[str, pa.Table]], Recorder, dict[EntityType, ScopeError]]:
    """The parts of a crawl, and the kinds of entity that were refused."""
    clock = VirtualClock()
    parts: dict[int, dict[str, pa.Table]] = {}
    progress = Recorder()

    async def main() -> dict[EntityType, ScopeError]:
        async with (
            serve(simulation) as url,
            connect(url, TOKENS, Pace(clock), **OPTIONS, clock=clock) as client,
        ):
            organization = await own_organization(client)
            with Collector(client, organization) as found:
                await take_inventory(found, [EntityType.WORKSPACE])
                inventory_file.write_inventory(INVENTORY, found.entities(), inventory_file.Gaps(), Seal())
            simulation.faults = parse(faults)
            if revoke:
                simulation.tokens.clear()
            reader = Reader(client, PUSH_TO_TALK, organization)
            backlog = Backlog(PUSH_TO_TALK, organization.org_id, inventory_file.Inventory.open(INVENTORY, Seal()))
            sink = Sink(lambda index, slices: parts.__setitem__(index, next(slices)[0]), lambda *_: None)
            return await Crawl(reader, backlog, sink, Limits(concurrency), progress, clock).run()

    refused = run_virtually(main())
    return parts, progress, refused


def outcomes(parts: dict[int, dict[str, pa.Table]]) -> Counter[str]:
    return Counter(word for part in parts.values() for word in part["coverage"]["outcome"].to_pylist())


def test_every_entity_has_one_outcome_in_the_order_of_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 30)
    organization = Organization(100)
    simulation = Simulation(organization)
    parts, progress = crawled(simulation)
    ids = [row for index in sorted(parts) for row in parts[index]["coverage"]["entity_id"].to_pylist()]
    assert ids == sorted(organization.workspace(index)["id"] for index in range(100))
    assert sorted(parts) == [0, 1, 2, 3]
    assert outcomes(parts) == progress.outcomes
    assert progress.requests == len(simulation.log)


def test_a_workspace_without_webex_calling_is_not_asked_for() -> None:
    organization = Organization(200)
    simulation = Simulation(organization)
    parts, _ = crawled(simulation)
    rows = [row for row in parts[0]["coverage"].to_pylist() if row["attempts"] == 0]
    assert {row["outcome"] for row in rows} == {"not_licensed"}
    assert {(row["http_status"], row["fetched_at"]) for row in rows} == {(None, None)}
    unasked = {row["entity_id"] for row in rows}
    without = {"none", "freeCalling", "thirdPartySipCalling"}
    listed = [organization.workspace(index) for index in range(200)]
    assert unasked == {item["id"] for item in listed if item.get("calling", {}).get("type") in without}
    assert not [line for line in simulation.log if "pushToTalk" in line and any(each in line for each in unasked)]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("faults", "outcome", "status"),
    [
        ("403=0.2!", "forbidden", 403),
        ("404=0.2!", "not_found", 404),
        ("409=0.2!", "bad_request", 409),
        ("500=0.2!", "server_error", 500),
        ("malformed=0.2!", "invalid_response", 200),
        ("array=0.2!", "invalid_response", 200),
        ("mistyped=0.2!", "invalid_response", 200),
        ("429=0.2!", "throttled", 429),
        ("reset=0.1!", "timeout", None),
    ],
)
def test_a_fault_of_some_entities_leaves_the_others_unharmed(faults: str, outcome: str, status: int | None) -> None:
    clean, _ = crawled(Simulation(Organization(80)))
    faulty, _ = crawled(Simulation(Organization(80)), faults=faults)
    struck = {row["entity_id"]: row for row in faulty[0]["coverage"].to_pylist() if row["outcome"] == outcome}
    assert 3 < len(struck) < 40
    assert {row["http_status"] for row in struck.values()} == {status}
    assert all(row["error_message"] for row in struck.values())
    for table in ("push_to_talk", "push_to_talk_members"):
        kept = [row for row in clean[0][table].to_pylist() if row["entity_id"] not in struck]
        assert faulty[0][table].to_pylist() == kept


def test_twenty_first_answers_that_are_all_403_are_a_missing_scope() -> None:
    simulation = Simulation(Organization(300))
    parts, _, refused = crawled_with_refusals(simulation, faults="403=1!")
    error = str(refused[EntityType.WORKSPACE])
    assert "20 of 20 answers" in error
    assert "needs the scope spark-admin:workspaces_read" in error
    assert len(simulation.log) < 40
    assert set(outcomes(parts)) == {"forbidden", "not_licensed"}
    unasked = [row for row in parts[0]["coverage"].to_pylist() if row["outcome"] == "forbidden" and not row["attempts"]]
    assert len(unasked) > 200
    told = {
        (row["http_status"], row["error_message"]) for row in parts[0]["coverage"].to_pylist() if row["http_status"]
    }
    ((status, reason),) = told
    assert status == 403
    assert reason.startswith(
        "push_to_talk of every workspace is refused: it needs the scope spark-admin:workspaces_read"
    )
    assert "license may be missing, or an administrator may have restricted access to the Call Settings API" in reason


def test_fewer_answers_that_are_all_403_are_a_missing_scope_too() -> None:
    _, _, refused = crawled_with_refusals(Simulation(Organization(3, seed=3)), faults="403=1!")
    assert "3 of 3 answers" in str(refused[EntityType.WORKSPACE])


def test_a_token_revoked_amid_the_crawl_ends_it() -> None:
    simulation = Simulation(Organization(300))
    with pytest.raises(TokenRefusedError, match="401"):
        crawled(simulation, revoke=True)
    assert len([line for line in simulation.log if "pushToTalk" in line]) <= 5


def test_an_api_that_is_gone_ends_the_crawl() -> None:
    simulation = Simulation(Organization(300))
    with pytest.raises(ApiGoneError, match="has not answered for 600 s"):
        crawled(simulation, faults="reset=1!")


def test_an_empty_organization_has_no_parts() -> None:
    parts, progress = crawled(Simulation(Organization(0)))
    assert (parts, progress.outcomes) == ({}, {})


def test_a_part_that_can_not_be_written_ends_the_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crawl_module, "flatten", refuse)
    with pytest.raises(OSError, match="No space left"):
        crawled(Simulation(Organization(5)))
