"""Which requests fail, by share or by plan: equal for equal seeds, whatever the order of requests.

A specification is a list of items, separated by commas:

==================  ==========================================================================
``KIND=SHARE``      this share of reads fails, at most twice in a row for one URL, so that a client
                    that retries gets its answer
``KIND=SHARE!``     the same share of URLs fails at every try
``KIND@N``          the N-th request of the server (from 1) fails; may be repeated
``KIND@N+S``        an outage: from the N-th request on, every request fails for S seconds; may be repeated
``all=SHARE``       every passing kind together, except slow ones
``token-KIND…``      the same for `POST /access_token`, whose requests are counted by themselves
``QUIRK``           an oddity of listings, always on; ``quirks`` turns on all that a client must survive
==================  ==========================================================================
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches

#: The kinds of fault and their meaning.
KINDS = {
    "429": "too many requests, Retry-After: 1",
    "429-date": "too many requests, Retry-After is a date",
    "429-zero": "too many requests, Retry-After: 0",
    "429-absent": "too many requests, without Retry-After",
    "429-nonsense": "too many requests, Retry-After: rand(30),add(30)",
    "429-long": "too many requests, Retry-After: 194",
    "423": "locked, without Retry-After",
    "423-seconds": "locked, Retry-After: 1",
    "423-date": "locked, Retry-After is a date",
    "423-long": "locked, Retry-After: 600",
    "423-hours": "locked, Retry-After: 14400",
    "500": "server error in the documented shape",
    "500-long": "server error, Retry-After: 120",
    "502": "bad gateway, an HTML page",
    "503": "unavailable, Retry-After: 1, empty body",
    "504": "gateway timeout",
    "html": "200 with an HTML page",
    "empty": "200 with no body",
    "malformed": "200 with broken JSON",
    "truncated": "a body that ends before its Content-Length",
    "reset": "the connection is reset",
    "slow": "the answer is late",
    "hang": "the request is accepted and never answered",
    "503-long": "unavailable, Retry-After: 120, empty body",
    "503-bare": "unavailable, without Retry-After, an HTML page",
    "400": "malformed request",
    "401": "the token is refused",
    "403": "a missing role",
    "404": "deleted since it was listed",
    "409": "conflict",
    "405-text": "not a professional place, said in words only",
    "405-wxc": "not a professional place, as code WXC-25409",
    "401-html": "a gateway's HTML page, as if the token were refused",
    "403-html": "a firewall's HTML page, as if a role were missing",
    "404-html": "a load balancer's HTML page, as if the room were deleted",
    "404-empty": "a load balancer's empty answer, as if the room were deleted",
    "404-json": "a gateway's JSON, as if the room were deleted",
    "404-message": "404 with a gateway's JSON that has a message, as Kong and Spring send it",
    "408": "a gateway's timeout, an HTML page",
    "425": "too early",
    "499": "a gateway's answer to a client that it takes for gone",
    "520": "an error without a standard, an HTML page",
    "501": "not implemented",
    "204": "no content",
    "202": "accepted, without a body",
    "302": "a redirect to a page to sign in",
    "200-message": "200 with an error and nothing else",
    "bom": "a byte order mark before the JSON",
    "odd-number": "an unknown field holds 1e400",
    "odd-text": "an unknown field holds an unpaired surrogate",
    "null-member": "a null among the members",
    "too-long": "a body that never ends",
    "array": "200 with a JSON array",
    "mistyped": "200 with settings of another shape",
    "token-503-date": "token endpoint: unavailable, Retry-After is a date",
    "token-invalid-grant": "token endpoint: the refresh token is refused",
    "token-invalid-client": "token endpoint: the client secret is refused",
    "token-drip": "token endpoint: a body that comes byte by byte",
    "token-bomb": "token endpoint: a small gzip body of 256 MiB",
    "token-unusable": "token endpoint: a grant without a usable access token",
    "token-blanks": "token endpoint: a grant with blanks around its tokens",
    "token-expires-text": "token endpoint: a grant with a text as lifetime",
    "token-expires-zero": "token endpoint: a grant with lifetime 0",
    "token-expires-negative": "token endpoint: a grant with a lifetime below 0",
    "token-expires-huge": "token endpoint: a grant with lifetime 1e400",
}
#: The kinds that a retry cures and that are not slow.
PASSING = (
    "429", "429-date", "429-zero", "429-absent", "429-nonsense", "423", "423-seconds", "500", "502", "503", "504",
    "html", "empty", "malformed", "truncated", "reset", "401-html", "403-html", "404-html", "404-empty", "404-json",
    "408", "425", "499", "520", "204", "202", "302", "200-message",
)  # fmt: skip
#: Oddities of listings and their meaning; once named, they are always on.
QUIRKS = {
    "duplicate": "each page repeats the last item of the page before",
    "empty-page": "an empty page with a next link stands between the others",
    "max-null": "next links say max=null, which is refused when asked for",
    "no-blank": "no space after the semicolon of a Link",
    "valueless": "next links hold a parameter without a value",
    "foreign-link": "next links lead to another host",
    "no-link": "there is no Link header",
    "lost-org": "next links drop orgId",
    "lost-devices": "next links drop includeDevices",
    "endless": "an empty page that links to itself follows the last page",
    "circle": "the last page links to the first",
    "no-start": "start (of events: offset) is ignored",
    "single-quotes": "next links say rel='next'",
    "odd-title": "next links have a title with quotes and rel= in it",
    "no-brackets": "next links have no angle brackets",
    "long-link": "next links are longer than 16 kB",
    "title-next": "another link, whose title says rel=next, stands before next links",
    "unreadable-link": "the Link header is not a link",
    "lost-link": "only the first page has a next link",
    "fresh-circle": "the last page links to the first, under a fresh cursor each time",
    "null-item": "each page of a listing ends with null",
    "text-item": "each page of a listing ends with a text",
    "no-id": "each page of a listing ends with an item without an id",
    "blank-id": "each page of a listing ends with an item whose id is blank",
    "long-id": "each page of a listing ends with an item whose id has 1,001 characters",
    "control-id": "each page of a listing ends with an item whose id holds a control character",
    "surrogate-id": "each page of a listing ends with an item whose id holds a lone surrogate",
    "hot-desk-only": "every fourth workspace is for hot desking only, as the listing shows; its settings answer 405",
    "hot-desk-405": "every fourth workspace has hotdeskingStatus on; its settings answer 405 without a code",
    "hot-desk-text": "every fourth workspace has hotdeskingStatus on; its settings answer 405, a text says why",
    "hot-desk-400": "every fourth workspace has hotdeskingStatus on; its settings answer 400",
    "hot-desk-403": "every fourth workspace has hotdeskingStatus on; its settings answer 403",
    "hot-desk-404": "every fourth workspace has hotdeskingStatus on; its settings answer 404",
    "no-answers": "the API does not know answerSettings yet: 404 for each entity",
    "no-answers-405": "the API does not know answerSettings yet: 405 without a code for each entity",
    "answers-elsewhere": "the answerSettings of workspaces stand at /workspaces/{id}/answerSettings alone",
    "no-devices": "includeDevices is ignored: no workspace has devices in the listing",
    "devices-refused": "includeDevices is refused: 400",
    "odd-devices": "the devices of workspaces are absent, no list, or odd in other ways",
    "many-devices": "the first workspace has 10,000 devices",
    "token-rotate": "each grant brings a new refresh token, and the former is refused",
    "login-fewer-scopes": "a login is granted all but the last of the scopes that it asks for",
    "login-no-scope": "the grant of a login does not say its scopes",
    "login-no-refresh": "the grant of a login has no refresh token",
    "login-hostile-error": "a login ends with an error whose texts hold HTML and escapes of a terminal",
    "device-pending-400": "a device code that nobody has entered is answered with 400, not 428",
    "device-slow-down": "the first two polls of a device code are answered with slow_down",
    "device-expired": "a device code has expired",
    "device-decline": "a device code is declined",
    "empty-body-page": "a page without a body, but with a next link, stands between the others",
}
SURVIVABLE = ("duplicate", "empty-page", "max-null", "no-blank", "valueless", "odd-title")
_MAX_IN_A_ROW = 2
_OF_TOKENS = "token-"


@dataclass
class Faults:
    """Decides which request fails, and how; `parse` makes it."""

    seed: int = 1
    shares: dict[str, float] = field(default_factory=dict)
    lasting: dict[str, float] = field(default_factory=dict)
    plan: dict[int, str] = field(default_factory=dict)
    quirks: frozenset[str] = frozenset()
    #: Kind and duration in seconds, by the number of the first request.
    outages: dict[int, tuple[str, float]] = field(default_factory=dict)
    now_s: Callable[[], float] = field(default=time.monotonic, compare=False)
    #: The faults of the token endpoint.
    of_tokens: "Faults | None" = None
    _outage: tuple[str, float] = ("", -math.inf)
    _requests: int = 0
    _tries: Counter[str] = field(default_factory=Counter)
    _in_a_row: Counter[str] = field(default_factory=Counter)

    def next(self, url: str) -> str | None:
        """The kind of fault of the next request, for this URL; None if the request succeeds."""
        self._requests += 1
        if self._requests in self.outages:
            broken, lasts_s = self.outages[self._requests]
            self._outage = broken, self.now_s() + lasts_s
        if self.now_s() < self._outage[1]:
            return self._outage[0]
        if self._requests in self.plan:
            return self.plan[self._requests]
        if kind := self._draw(self.lasting, f"{self.seed}/{url}"):
            return kind
        self._tries[url] += 1
        kind = self._draw(self.shares, f"{self.seed}/{url}/{self._tries[url]}")
        if kind is None or self._in_a_row[url] >= _MAX_IN_A_ROW:
            self._in_a_row[url] = 0
            return None
        self._in_a_row[url] += 1
        return kind

    @staticmethod
    def _draw(shares: dict[str, float], key: str) -> str | None:
        if not shares:
            return None
        lot = random.Random(key).random()  # noqa: S311
        for kind, share in shares.items():
            lot -= share
            if lot < 0:
                return kind
        return None


def parse(text: str, seed: int = 1) -> Faults:
    """Parse a specification of faults.

    Raises:
        ValueError: a kind is unknown, or a share or a number is not valid.
    """
    items = [part.strip() for part in text.split(",") if part.strip()]
    of_tokens = [item for item in items if item.startswith(_OF_TOKENS) and item not in QUIRKS]
    faults = _parsed([item for item in items if item not in of_tokens], seed)
    faults.of_tokens = _parsed(of_tokens, seed) if of_tokens else None
    return faults


def _parsed(items: list[str], seed: int) -> Faults:
    faults = Faults(seed)
    quirks: set[str] = set()
    for item in items:
        kind, at, number = item.partition("@")
        name, equals, share = item.partition("=")
        number, plus, lasts_s = number.partition("+")
        if plus:
            faults.outages[_number(number)] = _known(kind, KINDS), _seconds(lasts_s)
        elif at:
            faults.plan[_number(number)] = _known(kind, KINDS)
        elif not equals:
            quirks.update(SURVIVABLE if item == "quirks" else {_known(item, QUIRKS)})
        elif name == "all":
            faults.shares.update(dict.fromkeys(PASSING, _share(share) / len(PASSING)))
        elif share.endswith("!"):
            faults.lasting[_known(name, KINDS)] = _share(share[:-1])
        else:
            faults.shares[_known(name, KINDS)] = _share(share)
    faults.quirks = frozenset(quirks)
    return faults


def explain() -> str:
    """The help on the specification of faults."""
    rows = [
        ("SPEC is a list, separated by commas, of:", {}),
        ("", {
            "KIND=SHARE": "this share of reads fails, at most twice in a row for one URL",
            "KIND=SHARE!": "this share of URLs fails at every try",
            "KIND@N": "the N-th request fails (from 1); may be repeated",
            "KIND@N+S": "from the N-th request on, every request fails for S seconds",
            "all=SHARE": "all kinds together that a retry cures soon",
            "token-KIND…": "the same for POST /access_token, whose requests are counted by themselves",
            "QUIRK": "an oddity of listings, always on",
            "quirks": ", ".join(SURVIVABLE),
        }),
        ("\nkinds:", KINDS),
        ("\nquirks:", QUIRKS),
    ]  # fmt: skip
    lines = []
    for title, entries in rows:
        lines += [title] if title else []
        lines += [f"  {name:<23} {meaning}" for name, meaning in entries.items()]
    return "\n".join(lines)


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (share := float(text)) <= 1:
            return share
    raise ValueError(f"{text!r} is not a share between 0 and 1")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if (lasts_s := float(text)) > 0:
            return lasts_s
    raise ValueError(f"{text!r} is not a number of seconds")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not the number of a request")
    return int(text)


def _known(name: str, known: dict[str, str]) -> str:
    if name not in known and (known is QUIRKS or name.removeprefix(_OF_TOKENS) not in known):
        near = get_close_matches(name, known, 1)
        raise ValueError(f"{name!r} is not a fault{f', {near[0]} is' if near else ''}")
    return name
