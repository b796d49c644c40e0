"""The names in an output: snapshots and their files, and what a run leaves there."""

import re
from fnmatch import fnmatchcase

#: The file that makes a folder a snapshot.
MANIFEST = "manifest.json"
#: The name of a snapshot's folder: when its run began, and random digits to tell snapshots of a second apart.
SNAPSHOT_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")

#: Pattern of the UUID of an organization.
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

#: What a run was asked to do; in the folder of its draft and in the folder of its commit.
JOURNAL = "run.json"
#: The folder in a draft from which a resumed run goes on.
PARTS = "parts"
#: The new name of a manifest or journal while its folder is being removed.
REMOVING = ".removing"

#: The record of what was removed from an output, in the output itself.
REMOVED = "pruned.json"
#: The record of what was approved, in the output itself.
APPROVALS = "approved.json"

#: The folder of a partition is named as in Hive, so that other programs know the column.
_ORG = "org_id="
_FOLDER_OF_ORG = re.compile(_ORG + UUID)
_PARQUET = re.compile(r"[A-Za-z0-9_-]{1,60}\.parquet")


def parquet_folder(table: str, org_id: str) -> str:
    """The folder with the Parquet files of a table and an organization, relative to the snapshot."""
    return f"{table}/{_ORG}{org_id}"


def csv_path(table: str, org_id: str | None) -> str:
    """The CSV file of a table, relative to the snapshot; `org_id` is None for the file of all organizations."""
    return f"{table}.csv" if org_id is None else f"{_ORG}{org_id}/{table}.csv"


def org_of_parquet(table: str, path: str) -> str | None:
    """The UUID of the organization that a Parquet file belongs to; None if it is not a file of the table."""
    match = re.fullmatch(rf"{re.escape(table)}/{_ORG}([^/]+)/[^/]+\.parquet", path)
    return match and match[1]


def org_of_csv(table: str, path: str) -> str | None:
    """As `org_of_parquet`, for a CSV file; empty for the file of all organizations."""
    match = re.fullmatch(rf"(?:{_ORG}([^/]+)/)?{re.escape(table)}\.csv", path)
    return match and (match[1] or "")


def is_file_of(table: str, path: str) -> bool:
    """Whether a table may have a file at this path, relative to the snapshot; anybody may have written the path."""
    folder, _, name = path.rpartition("/")
    if name == f"{table}.csv":
        return not folder or _FOLDER_OF_ORG.fullmatch(folder) is not None
    above, _, of_org = folder.partition("/")
    return above == table and bool(_FOLDER_OF_ORG.fullmatch(of_org) and _PARQUET.fullmatch(name))


#: SQL: the organization of a Parquet file, by the file's own folder, whatever the names of the folders above.
ORG_OF_FILENAME = f"regexp_extract(filename, '/{_ORG}([^/]+)/[^/]+$', 1)"


def is_unwritten(name: str) -> bool:
    """Whether a file is the leftover of an interrupted write (`audit.files.atomic_file`)."""
    return fnmatchcase(name, ".?*.tmp")


def is_leftover(relative_path: str) -> bool:
    """Whether a file that the manifest does not name is a leftover of the run, which may be removed.

    Args:
        relative_path: its path relative to the snapshot, with `/` between the parts.
    """
    first, _, rest = relative_path.partition("/")
    return first == PARTS or (not rest and (first == JOURNAL or is_unwritten(first)))
