"""A bucket of an object store: the URI that names it, and the clients that read and write it.

pyarrow reads, lists and streams. obstore writes what must appear whole or on a condition, because pyarrow can't: an
interrupted stream leaves half an object, and there are no conditional writes.
"""

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from audit.errors import UsageError
from audit.extras import how_to_add
from audit.redaction import learn
from audit.storage.errors import telling

if TYPE_CHECKING:
    import pyarrow.fs as pafs

_SCHEMES: Final = {"s3": "s3://bucket/folder", "gs": "gs://bucket/folder", "abfs": "abfs://container@account/folder"}
_OPTIONS: Final = {
    "s3": {"endpoint_override", "region", "scheme"},
    "gs": {"endpoint_override", "scheme"},
    "abfs": {"endpoint_override", "scheme"},
}
#: The variables that the clients of the stores read secrets from.
_SECRETS: Final = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
#: How a URI begins that lacks a colon or a slash.
_MISTYPED = re.compile(rf"({'|'.join(_SCHEMES)})(?::(?!//)|//)", re.IGNORECASE)
_AZURE_HOST = ".dfs.core.windows.net"
#: Time limit of a request with its retries, so that a lock is renewed in time or known to be lost.
_PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True, order=True)
class Bucket:
    """A bucket (Azure: a container).

    Attributes:
        scheme: `s3`, `gs` or `abfs`.
        name: its name.
        account: the storage account of Azure; empty for other stores.
        query: the options of the URI, as given.
    """

    scheme: str
    name: str
    account: str
    query: str

    @property
    def options(self) -> dict[str, str]:
        """The options of the URI."""
        return dict(parse_qsl(self.query))

    def uri(self, key: str) -> str:
        """The URI of an object in the bucket."""
        authority = f"{self.name}@{self.account}" if self.account else self.name
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{authority}/{key}{query}"

    def filesystem(self) -> "pafs.FileSystem":
        """The client that reads, lists and streams."""
        _learn_secrets()
        return _filesystem(self)

    def store(self) -> Any:
        """The client that writes what must appear whole or on a condition (`obstore.store`).

        Raises:
            UsageError: obstore is not installed.
        """
        _learn_secrets()
        return _store(self)


def is_uri(text: str) -> bool:
    """Whether a text is a URI and not a path."""
    return bool(_URI.match(text))


def check_path(text: str) -> None:
    """Refuse a mistyped URI, which would be a folder of this machine: `s3:/bucket`, `gs:bucket`, `abfs//container`.

    Raises:
        UsageError: the text begins as a URI does, and is not a URI.
    """
    if found := _MISTYPED.match(text):
        # The rest is not shown: it may hold credentials.
        raise UsageError(
            f"a path that begins with {found[0]!r} looks like a mistyped URI: expected {_SCHEMES[found[1].lower()]}, "
            f"or ./{found[0]}… for a folder of this name"
        )


def parse(uri: str) -> tuple[Bucket, str]:
    """The bucket and the key that a URI names.

    Raises:
        UsageError: it is not the URI of a bucket, or holds credentials.
    """
    scheme = uri.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise UsageError(
            f"{scheme}:// is not a place for snapshots: expected a path, or {', '.join(_SCHEMES.values())}"
        )
    try:
        parts = urlsplit(uri)
        user, host = unquote(parts.username or ""), parts.netloc.rpartition("@")[2]
        has_secret = parts.password is not None
    except ValueError:  # its text quotes the URI
        raise UsageError(f"the URI can't be read: expected a URI such as {_SCHEMES[scheme]}") from None
    if has_secret or (user and scheme != "abfs"):
        raise UsageError(
            f"{scheme}://…@{host} holds credentials, which anybody who sees the command could read: leave them to "
            "the environment, a profile or the machine's role (docs/object-stores.md)"
        )
    if scheme == "abfs":
        name, account = user, host.removesuffix(_AZURE_HOST)
    else:
        name, account = host, ""
    if not name or not host or parts.fragment or set("%:") & set(host):
        raise UsageError(f"the URI names no bucket: expected a URI such as {_SCHEMES[scheme]}")
    if others := sorted({key for key, _ in parse_qsl(parts.query, keep_blank_values=True)} - _OPTIONS[scheme]):
        known = ", ".join(sorted(_OPTIONS[scheme]))
        raise UsageError(f"{scheme}://{host}: unknown option {others[0][:40]!r}: the options are {known}")
    key = parts.path.strip("/")
    if key and {"", ".", ".."} & set(key.split("/")):
        raise UsageError(f"{scheme}://{host}/{key[:100]}: a folder can't be named '.', '..' or nothing: leave it out")
    return Bucket(scheme, name, account, parts.query), key


def _learn_secrets() -> None:
    for name in _SECRETS:
        learn(os.environ.get(name))


@cache
def _filesystem(bucket: Bucket) -> "pafs.FileSystem":
    import pyarrow.fs as pafs  # noqa: PLC0415 - only an object store needs it

    with telling(bucket.uri("")):
        if bucket.scheme != "abfs":
            return pafs.FileSystem.from_uri(bucket.uri(""))[0]
        given = {"account_key": "AZURE_STORAGE_ACCOUNT_KEY", "sas_token": "AZURE_STORAGE_SAS_TOKEN"}
        options: dict[str, Any] = {name: os.environ[key] for name, key in given.items() if key in os.environ}
        for service in ("blob", "dfs"):
            if authority := bucket.options.get("endpoint_override"):
                options[f"{service}_storage_authority"] = authority
            options[f"{service}_storage_scheme"] = bucket.options.get("scheme", "https")
        return pafs.AzureFileSystem(bucket.account, **options)


@cache
def _store(bucket: Bucket) -> Any:
    try:
        from obstore import store as stores  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise UsageError(
            f"writing to {bucket.scheme}:// needs obstore, which is not installed: {how_to_add('object-store')}"
        ) from None
    scheme = bucket.options.get("scheme", "https")
    endpoint = bucket.options.get("endpoint_override")
    url = f"{scheme}://{endpoint}" if endpoint else None
    shared: dict[str, Any] = {
        "client_options": {"allow_http": scheme == "http", "timeout": _PATIENCE},
        "retry_config": {"max_retries": 3, "retry_timeout": _PATIENCE},
    }
    given: dict[str, Any]
    kind: Any
    match bucket.scheme:
        case "s3":
            given = {"endpoint": url, "region": getattr(bucket.filesystem(), "region", None)} | _profile()
            kind = stores.S3Store
        case "gs":
            given = {"base_url": url}
            kind = stores.GCSStore
        case _:
            given = {"account_name": bucket.account, "endpoint": url and f"{url}/{bucket.account}"}
            kind = stores.AzureStore
    given = {name: value for name, value in given.items() if value is not None}
    return kind(bucket.name, **given, **shared)


def _profile() -> dict[str, Any]:
    """Credentials from boto3, if it is installed: obstore can't read a profile by itself."""
    if "AWS_ACCESS_KEY_ID" in os.environ or find_spec("boto3") is None:
        return {}
    import boto3  # type: ignore[import-untyped, import-not-found, unused-ignore] # noqa: PLC0415 - only if the user has installed it
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    session = boto3.Session()
    if not (credentials := session.get_credentials()):
        return {}
    # A profile of another kind asks for credentials when they are used; boto3 keeps those to itself.
    for name in ("secret_key", "token"):
        learn(vars(credentials).get(name))
    return {"credential_provider": Boto3CredentialProvider(session)}
