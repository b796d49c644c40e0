"""Keyed digests of the files of a draft, so that a run takes up no file that somebody else has made or changed.

Each file ends with an HMAC-SHA256 (RFC 2104) of its path in the draft and of its content. The key belongs to this draft
alone: it follows from a key of the user and from all that the journal says. So a file of another draft, organization,
dataset, attempt, batch or table does not fit, and a journal that was changed fits no file.
"""

import hashlib
import hmac
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, cast

import msgspec

from audit.errors import DamagedError
from audit.output.journal import Journal
from audit.snapshot.layout import JOURNAL, PARTS
from audit.storage.content import DigestedFile, atomic_file, read_regular
from audit.storage.place import Place

if TYPE_CHECKING:
    from _hashlib import HMAC

#: The longest file that is read back whole.
_MAX_BYTES = 1 << 30
#: A checked copy waits in memory up to this size; more of it on the disk, without a name.
_IN_MEMORY_BYTES = 1 << 20
#: Parts of a path below the folder of parts: organization, dataset, attempt, file.
_DEPTH = 4
_DIGEST = hashlib.sha256
_DIGEST_BYTES = _DIGEST().digest_size


class Keys(NamedTuple):
    """The keys at hand, which whoever may write to the output does not have.

    Attributes:
        signing: follows from the key that signs snapshots, which every machine of a job has.
        own: of this user on this machine.
    """

    signing: bytes | None = None
    own: bytes | None = None

    @property
    def best(self) -> bytes | None:
        """The key of a new draft."""
        return self.signing or self.own

    def named(self, key_id: str | None) -> bytes | None:
        """The key with an id; None if it is not at hand."""
        return next((key for key in self if key and _id(key) == key_id), None)


class Seal:
    """The key of a draft.

    Args:
        key: the key; None if it is not at hand, so that nothing can be checked.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    @property
    def is_keyed(self) -> bool:
        """Whether files are checked."""
        return self._key is not None

    def lift(self) -> None:
        """Check nothing from now on: a writer without the key has added files."""
        self._key = None

    def digest_of(self, path: Place) -> "HMAC":
        """The digest of a file of the draft, without its content yet."""
        names: list[str] = []
        while len(names) < _DEPTH and path.name != PARTS:
            names.append(path.name)
            path = path.parent
        return _hmac(self._key or b"", os.fsencode("/".join(reversed(names))) + b"\0")

    def fits(self, digest: "HMAC", found: bytes) -> bool:
        """Whether a file ends with its digest, as far as this can be checked."""
        return len(found) == _DIGEST_BYTES and (not self.is_keyed or hmac.compare_digest(digest.digest(), found))


def sealed(journal: Journal, keys: Keys) -> Journal:
    """The journal of a new draft, under the best key at hand."""
    if (key := keys.best) is None:
        return unsealed(journal)
    named = msgspec.structs.replace(journal, key=_id(key), digest="")
    return msgspec.structs.replace(named, digest=_digest_of(named, key))


def unsealed(journal: Journal) -> Journal:
    """The journal of a draft that can't be checked."""
    return msgspec.structs.replace(journal, key="", digest="")


def seal_of(journal: Journal, keys: Keys) -> Seal:
    """The seal of a draft; it checks nothing if the key of the draft is not at hand."""
    key = keys.named(journal.key)
    return Seal(key and _key_of(journal, key))


def is_genuine(journal: Journal, keys: Keys) -> bool:
    """Whether a journal is as its run has written it; false also if its key is not at hand."""
    key = keys.named(journal.key)
    return key is not None and hmac.compare_digest(_digest_of(journal, key), journal.digest)


@contextmanager
def sealed_file(path: Place, seal: Seal) -> Iterator[BinaryIO]:
    """A file of a draft, written whole, with its digest.

    Raises:
        OSError: the disk refuses.
    """
    digest = seal.digest_of(path)
    with atomic_file(path) as file:
        yield cast("BinaryIO", DigestedFile(file, path, digest))
        file.write(digest.digest())


def blocks_of(path: Place, seal: Seal) -> Iterator[bytes]:
    """The content of a file, from first to last block; the digest is checked after the last.

    Raises:
        DamagedError: the file is not as a writer of this draft has written it.
        OSError: the file can't be read.
    """
    digest, rest = seal.digest_of(path), b""
    for block in read_regular(path.parent, path.name):
        data = rest + block
        content, rest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        digest.update(content)
        yield content
    if not seal.fits(digest, rest):
        raise DamagedError(path, "its digest does not match")


def read_sealed(path: Place, seal: Seal) -> bytes:
    """The content of a file, checked.

    Raises:
        DamagedError, OSError: as `blocks_of`.
    """
    content = bytearray()
    for block in blocks_of(path, seal):
        content += block
        if len(content) > _MAX_BYTES:
            raise DamagedError(path, f"it has more than {_MAX_BYTES} bytes")
    return bytes(content)


@contextmanager
def open_sealed(path: Place, seal: Seal, most: float = math.inf) -> Iterator[IO[bytes]]:
    """A checked copy of a file, to read at any position: nobody can change it after the check.

    Args:
        path: the file.
        seal: of its draft.
        most: the most bytes to copy.

    Raises:
        DamagedError, OSError: as `blocks_of`; also if the file is longer.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as copy:
        for block in blocks_of(path, seal):
            if copy.write(block) and copy.tell() > most:
                raise DamagedError(path, f"it has more than {most} bytes")
        copy.seek(0)
        yield copy


class SealedFile(NamedTuple):
    """A file of a draft, to be read later."""

    path: Place
    seal: Seal

    def read(self) -> bytes:
        """Its content (`read_sealed`)."""
        return read_sealed(self.path, self.seal)


def _hmac(key: bytes, data: bytes) -> "HMAC":
    return hmac.new(key, data, _DIGEST)  # type: ignore[return-value]


def _id(key: bytes) -> str:
    return _hmac(key, b"webex-audit: id of a key").hexdigest()[:16]


def _key_of(journal: Journal, key: bytes) -> bytes:
    said = msgspec.json.encode(msgspec.structs.replace(journal, digest=""))
    return _hmac(key, b"webex-audit: key of a draft\0" + said).digest()


def _digest_of(journal: Journal, key: bytes) -> str:
    return _hmac(_key_of(journal, key), JOURNAL.encode()).hexdigest()
