"""An object, or a folder of objects, in a bucket, with the methods of `pathlib.Path` that snapshots need."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict

from audit.storage.bucket import Bucket, parse
from audit.storage.errors import fault_of, telling

if TYPE_CHECKING:
    import pyarrow.fs as pafs
    from obstore import ObjectMeta, PutResult
    from pyarrow import NativeFile

_BLOCK_BYTES = 4 << 20


class Version(TypedDict, total=False):
    """What tells the versions of an object apart; a store has one of the two, or both."""

    e_tag: str | None
    version: str | None


class Head(NamedTuple):
    """The version of an object, and when it was written, by the store's clock."""

    version: Version
    last_modified: datetime


#: On which condition an object is written: always, if there is none, or over that version only.
Mode: TypeAlias = Literal["overwrite", "create"] | Version


@dataclass(frozen=True, order=True)
class ObjectPath:
    """A key in a bucket. Folders are not made: a folder exists if there is an object below its key.

    All methods that ask the store raise `FileNotFoundError` and `audit.storage.errors.StorageError`.
    """

    bucket: Bucket
    key: str

    @classmethod
    def of(cls, uri: str) -> "ObjectPath":
        """The place that a URI names.

        Raises:
            UsageError: it does not name a place, or holds credentials.
        """
        return cls(*parse(uri))

    def __str__(self) -> str:
        return self.bucket.uri(self.key)

    def __truediv__(self, below: str) -> "ObjectPath":
        return ObjectPath(self.bucket, f"{self.key}/{below}".strip("/"))

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> "ObjectPath":
        """The folder that holds it."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> "ObjectPath":
        """Another name in the same folder."""
        return self.parent / name

    def is_symlink(self) -> bool:
        """False: an object store has no links."""
        return False

    def resolve(self) -> "ObjectPath":
        """Itself: an object store has no links."""
        return self

    @property
    def location(self) -> tuple["pafs.FileSystem", str]:
        """The file system and the path under which pyarrow finds it."""
        return self.bucket.filesystem(), f"{self.bucket.name}/{self.key}".rstrip("/")

    def exists(self) -> bool:
        """Whether there is such an object, or an object below it."""
        return self._type() != "NotFound"

    def is_dir(self) -> bool:
        """Whether there is an object below it."""
        return self._type() == "Directory"

    def _type(self) -> str:
        """The name of its `pyarrow.fs.FileType`."""
        filesystem, path = self.location
        with telling(self):
            return filesystem.get_file_info(path).type.name

    def read_bytes(self) -> bytes:
        """The whole content."""
        return b"".join(self.read_blocks())

    def read_blocks(self) -> Iterator[bytes]:
        """The content, from first to last block."""
        filesystem, path = self.location
        with telling(self):
            stream = filesystem.open_input_stream(path, compression=None)
        with stream:
            while block := self._read_block(stream):
                yield block

    def _read_block(self, stream: "NativeFile") -> bytes:
        with telling(self):
            return stream.read(_BLOCK_BYTES)

    def open_input_file(self) -> "NativeFile":
        """Open the object to read at any position (`pyarrow.NativeFile`)."""
        filesystem, path = self.location
        with telling(self):
            return filesystem.open_input_file(path)

    def open_output_stream(self) -> "NativeFile":
        """Open the object to write a stream (`pyarrow.NativeFile`). If interrupted, half an object may stay."""
        filesystem, path = self.location
        with telling(self):
            return filesystem.open_output_stream(path, compression=None)

    def iterdir(self) -> Iterator["ObjectPath"]:
        """The objects and folders in this folder."""
        return (each for each, _ in self.entries())

    def entries(self, *, is_recursive: bool = False) -> list[tuple["ObjectPath", bool]]:
        """The objects and folders in this folder; the flag tells whether an entry is a folder.

        Raises:
            StorageError: also if the bucket does not exist.
        """
        import pyarrow.fs as pafs  # noqa: PLC0415 - only an object store needs it

        filesystem, path = self.location
        with telling(self):
            found = filesystem.get_file_info(pafs.FileSelector(path, allow_not_found=True, recursive=is_recursive))
            if not found and filesystem.get_file_info(self.bucket.name).type == pafs.FileType.NotFound:
                raise fault_of(FileNotFoundError("no such bucket"), self)
        start = len(self.bucket.name) + 1
        return [(ObjectPath(self.bucket, each.path[start:]), each.type == pafs.FileType.Directory) for each in found]

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """The objects and folders below it that match a pattern; `*` matches within one part of a key."""
        wanted = pattern.split("/")
        for each, _ in self.entries(is_recursive=len(wanted) > 1):
            parts = each.key.removeprefix(self.key).strip("/").split("/")
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield each

    def put(self, data: bytes | IO[bytes], mode: Mode = "overwrite") -> Version:
        """Write the whole object.

        Args:
            data: the content, as bytes or a file.
            mode: `overwrite`, `create`, or the version to overwrite, as `put` or `head` returned it.

        Returns:
            The version that was written.

        Raises:
            FileExistsError: the object exists already, or has another version.
        """
        store, errors = self._writing()
        from obstore import put  # noqa: PLC0415 - an extra, which is installed if `_writing` returns

        with telling(self, errors.BaseError):
            try:
                return _version(
                    put(store, self.key, data, mode=mode, use_multipart=None if mode == "overwrite" else False)
                )
            except (errors.AlreadyExistsError, errors.PreconditionError) as error:
                raise FileExistsError(str(self)) from error

    def head(self) -> Head:
        """The version of the object, and its time."""
        store, errors = self._writing()
        from obstore import head  # noqa: PLC0415

        with telling(self, errors.BaseError):
            found = head(store, self.key)
        return Head(_version(found), found["last_modified"])

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove this object."""
        with suppress(*[FileNotFoundError] if missing_ok else []):
            self._delete([self.key])

    def remove_tree(self) -> None:
        """Remove everything below it; if there is nothing below it, remove the object itself."""
        if keys := [each.key for each, is_dir in self.entries(is_recursive=True) if not is_dir]:
            self._delete(keys)
        else:
            self.unlink(missing_ok=True)

    def _delete(self, keys: list[str]) -> None:
        store, errors = self._writing()
        from obstore import delete  # noqa: PLC0415

        with telling(self, errors.BaseError):
            delete(store, keys)

    def _writing(self) -> tuple[Any, Any]:
        store = self.bucket.store()
        from obstore import exceptions  # noqa: PLC0415

        return store, exceptions


def _version(found: "PutResult | ObjectMeta") -> Version:
    version: Version = {}
    if found.get("e_tag") is not None:
        version["e_tag"] = found["e_tag"]
    if found.get("version") is not None:
        version["version"] = found["version"]
    return version
