"""A real browser for the tests of the report, by the DevTools protocol."""

import asyncio
import base64
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")


class Page:
    """A page of a browser, by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls = 0
        self.requests: list[str] = []
        self.errors: list[dict[str, Any]] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method; keep what the page reports meanwhile."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": parameters})
        while (message := await self._socket.receive_json()).get("id") != self._calls:
            self._note(message)
        assert "result" in message, message
        return message["result"]

    async def run(self, expression: str) -> Any:
        """The value of an expression, which may be a promise."""
        told = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def resize(self, width: int, height: int = 844) -> None:
        """Show the page on a screen of this size; a narrow one is a phone."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    async def print(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode((await self.call("Page.printToPDF", preferCSSPageSize=True))["data"])

    def _note(self, message: dict[str, Any]) -> None:
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message["method"] in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}:
            self.errors.append(message["params"])
        if message["method"] == "Page.javascriptDialogOpening":
            self.errors.append(message["params"])


Scenario = Callable[[Page], Awaitable[None]]


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """A browser, by the address of its DevTools."""
    command = [str(BROWSER), *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port = folder / "DevToolsActivePort"
    deadline_s = time.monotonic() + 60
    while not (port.exists() and port.read_text().count("\n")):
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
    process.terminate()
    process.wait(30)


async def visit(browser: str, file: Path, scenario: Scenario, before: str = "") -> None:
    """Open a file and run a scenario; the page may cause no error and request nothing else.

    Args:
        browser: address of its DevTools.
        file: the document.
        scenario: looks at the page.
        before: script that runs before those of the document.
    """
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{browser}/json/new?about:blank") as answer,
        session.ws_connect((await answer.json())["webSocketDebuggerUrl"], max_msg_size=0) as socket,
    ):
        page = Page(socket)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await page.call("Page.navigate", url=file.as_uri())
        while await page.run("document.readyState + location.protocol") != "completefile:":  # noqa: ASYNC110 - the page's state, not ours
            await asyncio.sleep(0.02)
        await scenario(page)
        assert page.errors == []
        assert page.requests == [file.as_uri()]
        await page.call("Page.close")


def look_at(browser: str, file: Path, scenario: Scenario) -> None:
    """As `visit`, for tests that are not coroutines."""
    asyncio.run(visit(browser, file, scenario))


async def sign_in(browser: str, url: str, button: str, end: str) -> str:
    """Open a URL in the browser, press a button, and return the text of the page with the title `end`."""
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{browser}/json/new?about:blank") as answer,
        session.ws_connect((await answer.json())["webSocketDebuggerUrl"], max_msg_size=0) as socket,
    ):
        page = Page(socket)
        await page.call("Page.enable")
        await page.call("Page.navigate", url=url)
        press = f"""document.querySelector('button[value="{button}"]')?.click() ?? document.title"""
        while end not in await page.run("document.title"):
            await page.run(f"document.readyState === 'complete' ? ({press}, 1) : 0")
            await asyncio.sleep(0.05)
        text = await page.run("document.body.innerText")
        await page.call("Page.close")
        return str(text)
