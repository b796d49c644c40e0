"""The names in an output folder: those of snapshots and their files, and those of what a run leaves there."""

import re
from fnmatch import fnmatchcase

#: The file that makes a folder a snapshot.
MANIFEST = "manifest.json"
#: The name of a snapshot's folder: when it was begun, and what tells it from others of that second.
SNAPSHOT_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")

#: What a run set out to do, in the folder of its draft and in that of its commit.
JOURNAL = "run.json"
#: What of a draft is read by a run that resumes it.
PARTS = "parts"
#: What a manifest or a journal is called while its folder is being removed.
REMOVING = ".removing"

#: What was removed from an output, in the output itself.
REMOVED = "pruned.json"

#: As Hive names the folder of a partition, so that other programs know the column.
_ORG = "org_id="


def parquet_folder(table: str, org_id: str) -> str:
    """The folder of an organization's Parquet files of a table, below that of the snapshot."""
    return f"{table}/{_ORG}{org_id}"


def csv_path(table: str, org_id: str | None) -> str:
    """The CSV file of a table, for all organizations or for one, below the folder of the snapshot."""
    return f"{table}.csv" if org_id is None else f"{_ORG}{org_id}/{table}.csv"


def org_of_parquet(table: str, path: str) -> str | None:
    """The UUID of the organization whose Parquet file of a table this is; None where it is not one of the table."""
    match = re.fullmatch(rf"{re.escape(table)}/{_ORG}([^/]+)/[^/]+\.parquet", path)
    return match and match[1]


def org_of_csv(table: str, path: str) -> str | None:
    """The UUID of the organization whose CSV file of a table this is, empty for the file of all; None as above."""
    match = re.fullmatch(rf"(?:{_ORG}([^/]+)/)?{re.escape(table)}\.csv", path)
    return match and (match[1] or "")


#: SQL: the organization of a Parquet file by the folder that it is in, whatever the folders above are called.
ORG_OF_FILENAME = f"regexp_extract(filename, '/{_ORG}([^/]+)/[^/]+$', 1)"


def is_unwritten(name: str) -> bool:
    """Whether a file is what a write that was cut off has left (`audit.files.atomic_file`)."""
    return fnmatchcase(name, ".?*.tmp")


def is_leftover(relative_path: str) -> bool:
    """Whether a file that the manifest does not name is left over from the run: it may be removed.

    Args:
        relative_path: its path below the folder, with `/` between the parts.
    """
    first, _, rest = relative_path.partition("/")
    return first == PARTS or (not rest and (first == JOURNAL or is_unwritten(first)))
