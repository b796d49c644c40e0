"""Object stores on this machine for tests: real servers that speak the protocols of S3 and Azure."""

import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

BUCKET = "audits"
# A secret is removed from every text: it must not be a word of a path.
_ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
_SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class S3:
    """An S3 server with one bucket, whose objects can be made older."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.query = f"?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"

    def uri(self, folder: str) -> str:
        return f"s3://{BUCKET}/{folder}{self.query}"

    def keys(self, folder: str) -> list[str]:
        """All objects below a folder."""
        return sorted(key.removeprefix(f"{folder}/") for key in self._objects() if key.startswith(f"{folder}/"))

    def age(self, key: str, seconds: float) -> None:
        """Make an object older by this time."""
        self._objects()[key].last_modified -= timedelta(seconds=seconds)

    def _objects(self) -> Any:
        core, models = importlib.import_module("moto.core"), importlib.import_module("moto.s3.models")
        return models.s3_backends[core.DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys


@contextmanager
def serve_s3() -> Iterator[S3]:
    """Serve S3 in a thread of this process."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("obstore")
    boto3 = pytest.importorskip("boto3")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=_ACCESS_KEY_ID,
            aws_secret_access_key=_SECRET_ACCESS_KEY,
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield S3(port)
    finally:
        server.stop()


def credentials() -> dict[str, str]:
    """The environment variables of a user who may read and write."""
    nowhere = os.devnull
    return {
        "AWS_ACCESS_KEY_ID": _ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": _SECRET_ACCESS_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
    }
