"""The administrator: signs in once, and has runs every night after the access token has expired."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import browser
from chromium import BROWSER, sign_in
from crafted import crafted
from harness import Result
from signing_in import CLIENT_ID, SECRET, free_port
from walking import Reader

from audit.simulator.app import Simulation
from audit.simulator.faults import Faults, parse

Api = Callable[[Simulation], str]


def simulation(faults: str = "") -> Simulation:
    """An API that knows no access token but those that it grants."""
    return Simulation(crafted(), parse(faults), client_secret=SECRET, tokens={})


def walked(
    reader: Reader, chromium: str, secret_file: Path, base_url: str, *options: object, end: str = "You can close"
) -> Result:
    """Walk the journey of the administrator; Chromium accepts on the pages of the simulator."""
    app = ("--client-id", CLIENT_ID, "--client-secret-file", secret_file, *options)
    process = reader.start("administrator.sh", *app, WEBEX_AUDIT_BASE_URL=base_url)
    assert process.stderr
    address = next(line for line in process.stderr if line.startswith("http"))
    asyncio.run(sign_in(chromium, address.strip(), "accept", end))
    out, err = process.communicate(timeout=100)
    return Result(process.returncode, out, err)


def signed_in(reader: Reader, tmp_path: Path, secret_file: Path, base_url: str) -> Result:
    """Sign in as the journey of the administrator begins."""
    app = ("--client-id", CLIENT_ID, "--client-secret-file", secret_file, "--port", free_port())
    return reader.ask("login", *app, BROWSER=browser(tmp_path), WEBEX_AUDIT_BASE_URL=base_url)


def snapshots(reader: Reader) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(reader.ask("snapshots", "--json").out)
    return found


@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("way", [(), ("--device",)], ids=["browser", "device"])
@pytest.mark.few(2)
@pytest.mark.slow
def test_an_administrator_signs_in_once(
    way: tuple[str, ...], umask: int, reader: Reader, chromium: str, secret_file: Path, api: Api
) -> None:
    reader.umask = umask
    served = simulation("token-rotate")
    options = way or ("--port", free_port())
    told = walked(reader, chromium, secret_file, api(served), *options, end="Done" if way else "You can close")
    assert told.code == 0, told
    assert told.out.startswith("signed in as ")
    assert "next: webex-audit run\n" in told.out
    assert "\nok       token " in told.out
    assert "  complete\n" in told.out
    assert told.out.endswith("report.html\n")
    assert reader.open_to_others() == []
    for token in {*served.tokens, SECRET, "simulated-refresh-token"}:
        assert token not in told.out + told.err

    served.tokens.clear()  # two weeks later
    assert reader.walk("nightly.sh") == Result(0, "", "")
    assert [each["status"] for each in snapshots(reader)] == ["complete"]


@pytest.mark.slow
def test_an_access_token_that_dies_during_a_night_is_renewed(
    reader: Reader, tmp_path: Path, secret_file: Path, api: Api
) -> None:
    served = simulation("token-rotate")
    assert signed_in(reader, tmp_path, secret_file, api(served)).code == 0
    granted = {*served.tokens}

    class Expiring(Faults):
        """All tokens die with the second read of settings."""

        reads = 0

        def next(self, url: str) -> str | None:
            self.reads += "pushtotalk" in url.lower()
            if self.reads == 2:
                served.tokens.clear()
                return "401"
            return None

    quirks, served.faults = served.faults.quirks, Expiring()
    served.faults.quirks = quirks
    assert reader.walk("nightly.sh") == Result(0, "", "")
    assert served.faults.reads > 2
    assert not granted & {*served.tokens}
    (stored,) = (reader.home / ".local").rglob("refresh-token")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_login_that_is_revoked_says_how_to_sign_in_again(
    reader: Reader, tmp_path: Path, secret_file: Path, api: Api
) -> None:
    served = simulation()
    assert signed_in(reader, tmp_path, secret_file, api(served)).code == 0
    served.tokens.clear()
    served.faults = parse("token-invalid-grant=1!")
    night = reader.walk("nightly.sh")
    assert (night.code, night.out, night.err.count("\n")) == (4, "", 1)
    assert "'webex-audit login'" in night.err
