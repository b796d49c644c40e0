import re
import sys
from pathlib import Path

import pytest

from audit.errors import UsageError
from audit.extras import how_to_add
from audit.redaction import PLACEHOLDER, forget_all, redact
from audit.storage import bucket
from audit.storage.bucket import Bucket, is_uri, parse
from audit.storage.objects import ObjectPath
from audit.storage.place import place


@pytest.mark.parametrize(
    ("uri", "expected", "key"),
    [
        ("s3://b", Bucket("s3", "b", "", ""), ""),
        ("S3://b/a/", Bucket("s3", "b", "", ""), "a"),
        ("s3://b/a/c?region=eu-west-1", Bucket("s3", "b", "", "region=eu-west-1"), "a/c"),
        ("gs://b/a", Bucket("gs", "b", "", ""), "a"),
        ("abfs://c@account/a", Bucket("abfs", "c", "account", ""), "a"),
        ("abfs://c@account.dfs.core.windows.net/a", Bucket("abfs", "c", "account", ""), "a"),
    ],
)
def test_a_uri_names_a_bucket_and_a_key(uri: str, expected: Bucket, key: str) -> None:
    assert parse(uri) == (expected, key)
    assert parse(expected.uri(key)) == (expected, key)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("ftp://b/a", "not a place for snapshots"),
        ("s3://", "names no bucket"),
        ("s3:///a", "names no bucket"),
        ("s3://b:80/a", "names no bucket"),
        ("s3://b/a#part", "names no bucket"),
        ("s3://[b/a", "can't be read"),
        ("abfs://container/a", "names no bucket"),
        ("s3://b/a?secret_key=x", "unknown option 'secret_key'"),
        ("gs://b/a?region=x", "unknown option 'region'"),
    ],
)
def test_what_names_no_bucket_is_refused(uri: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(uri)


@pytest.mark.parametrize(
    "uri", ["s3://key:hunter2@b/a", "s3://hunter2@b/a", "gs://hunter2@b/a", "abfs://c:hunter2@account/a"]
)
def test_credentials_in_a_uri_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(UsageError, match="holds credentials") as caught:
        parse(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["s3:/bucket", "s3:bucket/a", "S3:/bucket", "s3//bucket", "gs:/bucket", "abfs:c@account/a", "s3:/key:hunter2@b/a"],
)
def test_a_mistyped_uri_is_not_a_folder_of_this_machine(text: str) -> None:
    with pytest.raises(UsageError, match="looks like a mistyped URI: expected ") as caught:
        place(text)
    assert "hunter2" not in str(caught.value)
    assert isinstance(place(f"./{text}"), Path)


def test_a_path_is_no_uri() -> None:
    assert [text for text in ("a/b", "/a", "~/a", "c:/a", ".", "s3:/a", "latest") if is_uri(text)] == []
    assert place("a") == Path("a")


def test_an_object_has_the_words_of_a_path() -> None:
    folder = place("s3://b/a?region=x")
    assert isinstance(folder, ObjectPath)
    below = folder / "c" / "d.csv"
    assert (str(below), below.name, below.parent.parent) == ("s3://b/a/c/d.csv?region=x", "d.csv", folder)
    assert str(below.with_name("e")) == "s3://b/a/c/e?region=x"
    assert (folder / "", below.resolve(), below.is_symlink()) == (folder, below, False)


def test_writing_without_the_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket._store.cache_clear()
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match=re.escape(how_to_add("object-store"))):
        parse("s3://b/a?region=eu-west-1")[0].store()


def test_a_secret_is_known_also_if_the_client_is_made_already(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    named = parse("s3://b/a?region=eu-west-1")[0]
    for _ in range(2):
        named.filesystem()
        assert redact(f"key {secret}") == f"key {PLACEHOLDER}"
        forget_all()


def test_an_endpoint_and_a_profile_reach_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    pytest.importorskip("boto3")
    (tmp_path / "credentials").write_text("[audit]\naws_access_key_id = A\naws_secret_access_key = B\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "audit")
    uri = "s3://b/a?region=eu-west-1&endpoint_override=127.0.0.1:1&scheme=http"
    store = parse(uri)[0].store()
    assert store.config["endpoint"] == "http://127.0.0.1:1"
    assert store.config["region"] == "eu-west-1"
    assert store.credential_provider is not None


def test_google_and_azure_are_known_to_the_writer() -> None:
    pytest.importorskip("obstore")
    assert "GCS" in repr(parse("gs://b/a?endpoint_override=127.0.0.1:1&scheme=http")[0].store())
    store = parse("abfs://c@account/a?endpoint_override=127.0.0.1:1&scheme=http")[0].store()
    assert store.config["endpoint"] == "http://127.0.0.1:1/account"


@pytest.mark.parametrize("folder", ["a//b", "a/../b", "./a", ".."])
def test_a_folder_that_stores_read_differently_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="leave it out"):
        parse(f"s3://audits/{folder}")
