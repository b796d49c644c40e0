"""What a browser does where somebody signs in: it gets pages, presses buttons, and follows where they lead.

The program that `browser` makes imports this module, and nothing else that takes long to load.
"""

import html
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode


class Page(NamedTuple):
    """What a browser gets."""

    status: int
    text: str
    headers: dict[str, str]


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_BROWSER = urllib.request.build_opener(_Unfollowed)


def fetch(url: str, form: dict[str, str] | None = None) -> Page:
    """Get a page, or send a form; follows no redirect."""
    data = urlencode(form).encode() if form is not None else None
    try:
        with _BROWSER.open(urllib.request.Request(url, data), timeout=20) as answer:
            return Page(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, error.read().decode(), dict(error.headers))


def decided(url: str, decision: str = "accept", **fields: str) -> Page:
    """Open the page of a URL, and press a button of its form."""
    page = fetch(url)
    assert page.status == 200, page
    found = re.findall(r'name="(\w+)" value="([^"]*)"', page.text)
    form = {name: html.unescape(text) for name, text in found if name != "decision"}
    return fetch(url, form | fields | {"decision": decision})


def redirected(url: str, decision: str = "accept") -> str:
    """Sign in; returns the URL that the browser is sent to."""
    answer = decided(url, decision)
    assert answer.status == 302, answer
    return answer.headers["Location"]


def signed_in(url: str, decision: str = "accept") -> Page:
    """Sign in, and follow to the page at the end."""
    return fetch(redirected(url, decision))


def browser(tmp_path: Path, decision: str = "accept") -> str:
    """A value of `BROWSER`: a program that signs in at the address that it gets."""
    program = tmp_path / "browser.py"
    support = str(Path(__file__).parent)
    lines = ["import sys", f"sys.path.insert(0, {support!r})", "from browsing import signed_in"]
    program.write_text("\n".join([*lines, f"signed_in(sys.argv[1], {decision!r})\n"]))
    return f"{sys.executable} {program} %s"
