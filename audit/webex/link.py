"""Reads `Link` headers (RFC 8288), and finds the next page of a listing in them.

A link that the RFC does not allow is still read where its meaning is clear: a quoted value in single quotes, a URL
without brackets. No library does: `httplink` gives up a whole header for one odd link, the others are no longer kept.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

#: Between links; also empty elements of the list (RFC 9110, section 5.6.1).
_SEPARATORS = re.compile(r"[\s,]*")
_TARGET = re.compile(r"<([^<>]*)>")
#: A URL without both brackets ends at a blank or a semicolon, and begins so that no word is taken for one.
_BARE_TARGET = re.compile(r"<?((?:https?[:,]|[/?])[^\s;<>]+)", re.IGNORECASE)
_WORD = re.compile(r"<?[^\s;,<]*")
#: A relation: a registered word, or a URL (RFC 8288, section 2.1).
_RELATION = re.compile(r"[a-z][a-z0-9.-]*|[a-z][a-z0-9+.-]*:\S+", re.IGNORECASE)
#: The name of a parameter, and its sign if it has a value.
_NAME = re.compile(r"\s*;\s*([^\s;,=]*)\s*(=?)\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?$)', re.DOTALL)
_SINGLE_QUOTED = re.compile(r"'([^']*)'(?=\s*(?:[;,]|$))")
_UNQUOTED = re.compile(r"[^;,]*")
#: What stands between a value and the next parameter or link.
_REST = re.compile(r"[^;,]*")
#: What a URL may hold (RFC 3986); everything else is percent-encoded.
_IN_URL = "!#$%&'()*+,/:;=?@[]~"


#: What no next page may lose.
_KEPT = ("orgId", "includeDevices")


class BadLinkError(ValueError):
    """A next link is not a URL."""


class Link(NamedTuple):
    """A link of a header.

    Attributes:
        target: the URL, as it stands in the header.
        parameters: the parameters by name in lower case. If a name comes repeatedly, the first value counts.
    """

    target: str
    parameters: dict[str, str]

    @property
    def relations(self) -> list[str]:
        """What the target is to the page, in lower case."""
        return self.parameters.get("rel", "").lower().split()

    @property
    def is_next(self) -> bool:
        """Whether the link leads to the next page of what was asked for."""
        return "next" in self.relations and "anchor" not in self.parameters


def links(header: str) -> Iterator[Link]:
    """The links in a `Link` header, or in several that are joined by commas."""
    position = 0
    while (position := _end(_SEPARATORS, header, position)) < len(header):
        if bracketed := _TARGET.match(header, position):
            target, position = bracketed[1], bracketed.end()
        else:
            bare = _BARE_TARGET.match(header, position)
            target = bare[1] if bare else ""
            position = bare.end() if bare else max(_end(_WORD, header, position), position + 1)
            if target.endswith(","):
                yield Link(target.rstrip(","), {})
                continue
        parameters, position = _parameters(header, _end(_REST, header, position))
        if bracketed or target:
            yield Link(target.strip(), parameters)


def _parameters(header: str, position: int) -> tuple[dict[str, str], int]:
    """The parameters that begin at a position, and the position after them."""
    parameters: dict[str, str] = {}
    while named := _NAME.match(header, position):
        value, position = _value(header, named.end()) if named[2] else ("", named.end())
        parameters.setdefault(named[1].lower(), value)
        position = _end(_REST, header, position)
    return parameters, position


def _value(header: str, position: int) -> tuple[str, int]:
    if quoted := _QUOTED.match(header, position):
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), quoted.end()
    if single := _SINGLE_QUOTED.match(header, position):
        return single[1], single.end()
    unquoted = _UNQUOTED.match(header, position)
    return (unquoted[0].strip(), unquoted.end()) if unquoted else ("", position)


def _end(pattern: re.Pattern[str], header: str, position: int) -> int:
    found = pattern.match(header, position)
    return found.end() if found else position


def is_readable(header: str) -> bool:
    """Whether a header names at least one link and its relation."""
    return any(all(map(_RELATION.fullmatch, relations)) for link in links(header) if (relations := link.relations))


def denies_end(header: str, current_url: str) -> bool:
    """Whether a header without a next link names another page as the last one."""
    return any("last" in link.relations and urljoin(current_url, link.target) != current_url for link in links(header))


def next_link(header: str | None) -> str | None:
    """The target of the first link to the next page; None if there is none."""
    return next((link.target for link in links(header or "") if link.is_next), None)


def next_url(header: str | None, current_url: str, params: Mapping[str, str]) -> str | None:
    """The URL of the next page; None if the header names none.

    The URL is opaque and stays unchanged, except for defects that the API or a gateway is known to send: a relative
    URL, ``https,https://``, ``max=null``, ``&amp;``, characters that no URL may hold, `http` where the page came by
    `https`, a lost `orgId` (the next page would silently list another organization) and a lost `includeDevices`.

    Args:
        header: the `Link` header of the current page.
        current_url: the URL of the current page.
        params: the query of the first page.

    Raises:
        BadLinkError: the target is not a URL.
    """
    target = next_link(header)
    if target is None:
        return None
    try:
        return _mended(target, current_url, params)
    except ValueError as error:
        raise BadLinkError(str(error)) from None


def _mended(target: str, current_url: str, params: Mapping[str, str]) -> str:
    if not target:
        raise ValueError("it is empty")
    url = urljoin(current_url, re.sub(r"^https?,(?=https?://)", "", target.replace("&amp;", "&")))
    url = _as_secure(url, current_url)
    url = re.sub(r"(?<=[?&])max=null(?=&|$)", f"max={params['max']}" if "max" in params else "", url)
    parts = urlsplit(url)
    if parts.username is not None or not parts.hostname:
        raise ValueError("it names a user, or no host")
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    for name in _KEPT:
        if name in params and name not in names:
            url += f"{'&' if '?' in url else '?'}{name}={quote(params[name], safe='')}"
    return url if url.isascii() and url.isprintable() and " " not in url else _encoded(url)


def _as_secure(url: str, current_url: str) -> str:
    """The URL with `https`, if a server that does not know of its TLS gateway names the same host with `http`."""
    current, parts = urlsplit(current_url), urlsplit(url)
    is_downgrade = (current.scheme, parts.scheme) == ("https", "http") and parts.port in (None, 80)
    if is_downgrade and parts.username is None and parts.hostname == current.hostname:
        return parts._replace(scheme="https", netloc=current.netloc).geturl()
    return url


def _encoded(url: str) -> str:
    # aiohttp gives the bytes of a header that are not UTF-8 as surrogates.
    return quote(url.encode("utf-8", "surrogateescape"), safe=_IN_URL)
