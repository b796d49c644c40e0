"""An object, or a folder of objects, in a bucket: what of `pathlib.Path` snapshots need."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from audit.storage.bucket import Bucket, parse
from audit.storage.errors import fault_of, telling

if TYPE_CHECKING:
    import pyarrow.fs as pafs

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, order=True)
class ObjectPath:
    """A key in a bucket. Folders are not made: there is one where an object has a key below it.

    All methods that ask the store raise `FileNotFoundError` and `audit.storage.errors.StorageError`.
    """

    bucket: Bucket
    key: str

    @classmethod
    def of(cls, uri: str) -> "ObjectPath":
        """The place that a URI names.

        Raises:
            UsageError: it names none, or holds credentials.
        """
        return cls(*parse(uri))

    def __str__(self) -> str:
        return self.bucket.uri(self.key)

    def __truediv__(self, below: str) -> "ObjectPath":
        return ObjectPath(self.bucket, f"{self.key}/{below}".strip("/"))

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> "ObjectPath":
        """The folder that it is in."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> "ObjectPath":
        """Another one in the same folder."""
        return self.parent / name

    def is_symlink(self) -> bool:
        """There are no links."""
        return False

    def resolve(self) -> "ObjectPath":
        """Itself: there are no links."""
        return self

    @property
    def location(self) -> tuple["pafs.FileSystem", str]:
        """Where pyarrow finds it."""
        return self.bucket.filesystem(), f"{self.bucket.name}/{self.key}".rstrip("/")

    def exists(self) -> bool:
        """Whether there is such an object, or one below it."""
        return self._type() != "NotFound"

    def is_dir(self) -> bool:
        """Whether there is an object below it."""
        return self._type() == "Directory"

    def _type(self) -> str:
        """The name of its `pyarrow.fs.FileType`."""
        filesystem, path = self.location
        with telling(self):
            return filesystem.get_file_info(path).type.name  # type: ignore[no-any-return]

    def read_bytes(self) -> bytes:
        """Its content."""
        return b"".join(self.read_blocks())

    def read_blocks(self) -> Iterator[bytes]:
        """Its content, from first to last."""
        filesystem, path = self.location
        with telling(self):
            stream = filesystem.open_input_stream(path, compression=None)
        with stream:
            while block := self._read_block(stream):
                yield block

    def _read_block(self, stream: Any) -> bytes:
        with telling(self):
            return stream.read(_BLOCK_BYTES)  # type: ignore[no-any-return]

    def open_input_file(self) -> Any:
        """Its content, here and there (`pyarrow.NativeFile`)."""
        filesystem, path = self.location
        with telling(self):
            return filesystem.open_input_file(path)

    def open_output_stream(self) -> Any:
        """To be written bit by bit (`pyarrow.NativeFile`). Cut off, it may leave a half object."""
        filesystem, path = self.location
        with telling(self):
            return filesystem.open_output_stream(path, compression=None)

    def iterdir(self) -> Iterator["ObjectPath"]:
        """What is in this folder."""
        return (each for each, _ in self.entries())

    def entries(self, *, is_recursive: bool = False) -> list[tuple["ObjectPath", bool]]:
        """What is in this folder, each with whether it is a folder itself.

        Raises:
            StorageError: the bucket is not there, too.
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
        """What is below it, by a pattern of as many parts as the key has below this one."""
        wanted = pattern.split("/")
        for each, _ in self.entries(is_recursive=len(wanted) > 1):
            parts = each.key.removeprefix(self.key).strip("/").split("/")
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield each

    def put(self, data: Any, mode: Any = "overwrite") -> dict[str, Any]:
        """Write it whole.

        Args:
            data: its content, as bytes or a file.
            mode: `overwrite`, `create`, or what `put` or `head` returned of the version to be overwritten.

        Returns:
            What tells this version from others.

        Raises:
            FileExistsError: there is one by now, or another version than that.
        """
        store, errors = self._writing()
        from obstore import put  # noqa: PLC0415 - an extra, which is there by now

        with telling(self, errors.BaseError):
            try:
                return _version(
                    put(store, self.key, data, mode=mode, use_multipart=None if mode == "overwrite" else False)
                )
            except (errors.AlreadyExistsError, errors.PreconditionError) as error:
                raise FileExistsError(str(self)) from error

    def head(self) -> dict[str, Any]:
        """What tells its version from others, and `last_modified`, by the store's clock."""
        store, errors = self._writing()
        from obstore import head  # noqa: PLC0415

        with telling(self, errors.BaseError):
            found = head(store, self.key)
        return _version(found) | {"last_modified": found["last_modified"]}

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove this object."""
        with suppress(*[FileNotFoundError] if missing_ok else []):
            self._delete([self.key])

    def remove_tree(self) -> None:
        """Remove all that is below it; where there is nothing, itself."""
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


def _version(found: Any) -> dict[str, Any]:
    return {name: found[name] for name in ("e_tag", "version") if found.get(name) is not None}
