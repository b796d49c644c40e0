"""The request for an authorization in a browser, as pure functions (RFC 6749 section 4.1, RFC 7636, RFC 8252).

`GET /authorize` of the API shows a page to sign in and to agree ("Integrations & Authorization", "Login with Webex").
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, urlencode

from audit.redaction import learn

#: Bytes of randomness in a state and in a verifier: 43 characters in base64, the least of RFC 7636.
_RANDOM = 32


class Proof(NamedTuple):
    """Proves that whoever sends the code is whoever asked for it (PKCE, S256): the verifier is secret until then."""

    verifier: str
    challenge: str


def new_proof() -> Proof:
    """A proof that nobody can guess."""
    verifier = secrets.token_urlsafe(_RANDOM)
    learn(verifier, is_echoed=True)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Proof(verifier, urlsafe_b64encode(digest).rstrip(b"=").decode())


def new_state() -> str:
    """A state that nobody can guess: the answer to this login alone brings it back."""
    return secrets.token_urlsafe(_RANDOM)


def authorize_url(
    base_url: str, client_id: str, redirect_uri: str, scopes: Iterable[str], state: str, proof: Proof
) -> str:
    """The URL of the page where a person signs in and agrees.

    Args:
        base_url: the API.
        client_id: the id of the integration.
        redirect_uri: where the answer goes; the integration must have registered it, character by character.
        scopes: what to agree to.
        state: comes back with the answer.
        proof: its challenge goes along.
    """
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge": proof.challenge,
        "code_challenge_method": "S256",
    }
    return f"{base_url.rstrip('/')}/authorize?{urlencode(query, quote_via=quote, safe='')}"
