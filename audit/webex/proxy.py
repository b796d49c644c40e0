"""Finds the proxy for an API in the environment, as curl does, and keeps its login apart from its URL.

A login inside the URL could reach a message: texts of exceptions hold URLs.
"""

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urlsplit

from yarl import URL

from audit.errors import UsageError
from audit.redaction import learn_login

#: The variables that may name the proxy, in order; the first that is not blank counts (everything.curl.dev, "Proxy
#: environment variables").
_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")
#: What a value is wrapped in when it comes from a file that no shell has read: quotes, blanks, line ends, a BOM.
_WRAPPING = "\"'`“”‘’ \t\r\n\xa0\ufeff"
#: Values that people set for "use no proxy".
_NONE = frozenset({"none", "direct", "off", "false", "no", "null", "0", "disabled"})
_SCHEMES = ("http", "https")
_SOCKS = frozenset({"socks", "socks4", "socks4a", "socks5", "socks5h"})
_EXPECTED = "expected http://host:port or http://user:password@host:port, with reserved characters as %XX"


@dataclass(frozen=True)
class Proxy:
    """A proxy that speaks HTTP.

    Attributes:
        url: scheme, host and port; no login.
        authorization: the value of the header `Proxy-Authorization`, if there is a login.
    """

    url: URL
    authorization: str | None = field(default=None, repr=False)


def proxy_for(base_url: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for requests to an API, or None to connect directly.

    Args:
        base_url: the API; a proxy is for `https` only, because `http` does not leave this machine.
        environment: the process environment.

    Raises:
        UsageError: the value names no usable proxy. The message does not hold the value: it may hold a password.
    """
    api = urlsplit(base_url)
    if api.scheme != "https" or _is_exempt(api, _first(environment, _EXCEPTIONS)[1]):
        return None
    variable, value = _first(environment, _VARIABLES)
    if not value or value.lower() in _NONE:
        return None
    try:
        return _parsed(value)
    except UnicodeError:  # its text holds a part of the password
        raise UsageError(f"{variable}: the login is not text: {_EXPECTED}") from None
    except ValueError as error:
        raise UsageError(f"{variable}: {error}") from None


def _first(environment: Mapping[str, str], variables: tuple[str, ...]) -> tuple[str, str]:
    values = ((name, environment.get(name, "").strip(_WRAPPING)) for name in variables)
    return next(((name, value) for name, value in values if value), ("", ""))


def _parsed(value: str) -> Proxy:
    scheme, has_scheme, rest = value.rpartition("://") if "@" not in value else _scheme_of(value)
    scheme = scheme.lower() if has_scheme else _SCHEMES[0]
    if scheme in _SOCKS:
        raise ValueError(
            f"a SOCKS proxy ({scheme}://) is not supported: name an HTTP proxy (http://host:port) in HTTPS_PROXY, or "
            "the host of the API in NO_PROXY"
        )
    if scheme not in _SCHEMES:
        raise ValueError(f"the scheme is neither http:// nor https://: {_EXPECTED}")
    # A password may hold any character as it is; a host holds no @.
    login, has_login, address = rest.rpartition("@")
    _learn(login)
    host, port = _host_and_port(re.split("[/?#]", address.lstrip("/"), maxsplit=1)[0])
    try:
        url = URL.build(scheme=scheme, host=host, port=port)
    except ValueError:  # its text may hold what is left of a password
        raise ValueError(f"the host is not a name or an address: {_EXPECTED}") from None
    return Proxy(url, _basic(login) if has_login else None)


def _scheme_of(value: str) -> tuple[str, str, str]:
    # With a login, `://` may be part of the password.
    return value.partition("://") if re.match("[A-Za-z][A-Za-z0-9+.-]*://", value) else ("", "", value)


def _host_and_port(address: str) -> tuple[str, int | None]:
    matched = re.fullmatch(r"(\[(?P<ipv6>[^\[\]]*)\]|(?P<name>[^\[\]:]+))(:(?P<port>.*))?", address, re.DOTALL)
    if not matched:
        raise ValueError(f"there is no host, or its brackets are wrong: {_EXPECTED}")
    host, port = matched["name"] or matched["ipv6"], matched["port"]
    if matched["name"] is None:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"brackets are for an IPv6 address: {_EXPECTED}") from None
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 2**16):
        raise ValueError(f"the port is not a number from 1 to 65535: {_EXPECTED}")
    return host, int(port)


def _learn(login: str) -> None:
    """Remember a login as it is written, and as it is sent."""
    user, _, password = login.partition(":")
    learn_login(user, password)
    learn_login(*(unquote(each, errors="surrogateescape") for each in (user, password)))


def _basic(login: str) -> str:
    # The proxy gets the bytes of the environment, whatever their encoding (RFC 7617 leaves it open).
    user, _, password = login.partition(":")
    given = [unquote_to_bytes(each.encode("utf-8", "surrogateescape")) for each in (user, password)]
    return f"Basic {b64encode(b':'.join(given)).decode()}"


def _is_exempt(api: SplitResult, exceptions: str) -> bool:
    """Whether `NO_PROXY` lists an API."""
    host, port = _plain(api.hostname or ""), api.port or 443
    return any(_covers(name, host) and wanted in (None, port) for name, wanted in _entries(exceptions))


def _entries(exceptions: str) -> Iterator[tuple[str, int | None]]:
    for entry in re.split(r"[,;\s]+", exceptions):
        text = entry.strip(_WRAPPING).rpartition("://")[2].rstrip("/")
        # An IPv6 address without brackets has no port.
        matched = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d{1,5})", text, re.ASCII)
        name, port = (matched[1], int(matched[2])) if matched else (text, None)
        if name:
            yield _plain(name), port


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _covers(name: str, host: str) -> bool:
    """Whether an entry (`*`, a domain, an address or a network) covers a host."""
    domain = name.removeprefix("*").lstrip(".")
    if not domain:
        return name == "*"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == domain or host.endswith(f".{domain}")
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
