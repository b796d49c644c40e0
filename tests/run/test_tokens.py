"""A run that gets its access token with a refresh token, from an endpoint with every fault."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import VirtualClock, run_virtually

from audit.config import Settings
from audit.errors import DeadlineError
from audit.run.credentials import find_tokens
from audit.run.job import Job
from audit.run.run import run
from audit.run.scope import scope_of
from audit.simulator.app import Simulation, serve
from audit.simulator.faults import KINDS, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.errors import TokenRefusedError

REFUSALS = ("token-invalid-grant", "token-invalid-client", "token-400", "token-401", "token-403")
#: Faults of reads that the endpoint has, too.
OTHERS = ("429-long", "429-date", "429-nonsense", "423", "408", "425", "499", "500", "502", "503", "520", "302", "202",
          "204", "401-html", "403-html", "404-html", "404-empty", "404-json", "html", "empty", "malformed", "truncated",
          "reset", "slow", "hang", "array", "mistyped", "bom", "odd-number", "odd-text", "too-long")  # fmt: skip
SURVIVED = sorted(
    {kind for kind in KINDS if kind.startswith("token-")} - {*REFUSALS} | {f"token-{each}" for each in OTHERS}
)


@pytest.fixture
def audited(settings: Callable[..., Settings], tmp_path: Path, clock: VirtualClock) -> Callable[..., Snapshot]:
    """A whole run of an app, in virtual time."""

    def audited(faults: str, **flags: object) -> Snapshot:
        files = {name: tmp_path / name for name in ("client_secret_file", "refresh_token_file")}
        for name, file in files.items():
            file.write_text(f"{name}\n")
            file.chmod(0o600)
        simulation = Simulation(Organization(5, odd=False), parse(faults))

        async def main() -> Snapshot:
            simulation.now_s = asyncio.get_running_loop().time
            async with serve(simulation) as url:
                app = {f"webex__{name}": str(file) for name, file in files.items()}
                given = settings(url, webex__client_id="C0ffee", **app, **flags)
                tokens = find_tokens(given.webex, {}, clock)
                return await run(Job(given, tokens, scope_of(given), clock=clock))

        return run_virtually(main())

    return audited


@pytest.mark.few(10)
@pytest.mark.parametrize("kind", SURVIVED)
def test_it_survives_every_fault_of_the_endpoint_but_a_refusal(kind: str, audited: Callable[..., Snapshot]) -> None:
    assert audited(f"{kind}@1,{kind}@2,token-rotate").manifest.status == "complete"


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_ends_it(kind: str, audited: Callable[..., Snapshot]) -> None:
    with pytest.raises(TokenRefusedError):
        audited(f"{kind}@1")


def test_it_waits_for_the_endpoint_up_to_its_deadline(audited: Callable[..., Snapshot]) -> None:
    with pytest.raises(DeadlineError, match="asks to wait 194 s"):
        audited("token-429-long@1", run__deadline="3m")
    assert audited("token-429-long@1", run__deadline="4m").manifest.status == "complete"
