"""Says in our own words why a request got no answer.

A text of the HTTP library may hold a URL, and so whatever the environment has put into it.
"""

import os
import socket
import ssl
from http import HTTPStatus

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

#: What to do about the refusal of a proxy, by status.
_REFUSALS = {
    400: "it does not understand the request: check that it is an HTTP proxy that allows CONNECT",
    403: "its rules forbid the host: ask its administrator to allow it",
    404: "it is not an HTTP proxy that allows CONNECT",
    405: "it is not an HTTP proxy that allows CONNECT",
    407: "it wants a login: check user and password in HTTPS_PROXY=http://user:password@host:port",
    429: "it limits its clients",
    502: "it can't reach the host",
    503: "it is overloaded, or can't reach the host",
    504: "the host does not answer it",
}


def reason_of(error: Exception) -> str:
    """The reason why a request was not answered: host, cause, and what to do where that is known.

    Args:
        error: what the HTTP library raised.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return _refusal(error)
        case aiohttp.ClientPayloadError():
            is_coding = isinstance(error.__cause__, ContentEncodingError)
            return "the answer is not coded as its Content-Encoding says" if is_coding else "the answer broke off"
        case aiohttp.ClientResponseError():
            is_coding = "content-encoding" in error.message
            return "the answer has a Content-Encoding that was not asked for" if is_coding else "the answer is not HTTP"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection"
        case aiohttp.ClientConnectorError() | aiohttp.ClientConnectorCertificateError():
            return _unconnected(error)
    return _cause(error.__cause__ or error if isinstance(error, aiohttp.ClientError) else error)


def _refusal(error: aiohttp.ClientHttpProxyError) -> str:
    advice = _REFUSALS.get(error.status)
    known = {status.value: status.phrase for status in HTTPStatus}
    return f"the proxy answers {error.status}: {advice or known.get(error.status, 'an unknown status')}"


def _unconnected(error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    is_proxy = isinstance(error, aiohttp.ClientProxyConnectionError)
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    return f"{'the proxy ' if is_proxy else ''}{error.host}:{error.port}: {_cause(cause)}"


def _cause(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is refused: {error.verify_message}; webex.ca_file names another CA bundle"
        case ssl.SSLError():
            return f"TLS fails ({error.reason or type(error).__name__})"
        case socket.gaierror():
            return f"the name has no address ({error.strerror})"
        case OSError():
            return os.strerror(error.errno) if error.errno else type(error).__name__
    return type(error).__name__
