import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.entity import Entity, EntityType
from audit.inventory.sorter import EntitySorter
from audit.outcome import Outcome

ids = st.text(st.sampled_from("aAB\0é\ue000\U0001f600\uffff '%"), max_size=3)


def entities(*rows: tuple[str, int]) -> list[Entity]:
    return [
        Entity(
            EntityType.PERSON,
            entity_id,
            str(number),
            site_urls=[entity_id],
            is_caller=True,
            known_outcome=Outcome.NOT_FOUND,
        )
        for entity_id, number in rows
    ]


def first_of_each(rows: list[Entity]) -> list[Entity]:
    return sorted({each.entity_id: each for each in reversed(rows)}.values(), key=lambda each: each.entity_id.encode())


def in_order(sorter: EntitySorter) -> list[Entity]:
    return [each for some in sorter.sorted() for each in some]


def add_and_fail(sorter: EntitySorter) -> None:
    sorter.add(entities(("a", 2), ("b", 3), ("c", 4)))

    def failing() -> Iterator[Entity]:
        yield from entities(("d", 5))
        raise ValueError("no more")

    sorter.add(failing())


@given(st.lists(st.lists(ids, max_size=30), max_size=12))
def test_entities_are_sorted_by_the_bytes_of_their_ids_and_the_first_of_each_is_kept(added: list[list[str]]) -> None:
    number = iter(range(1_000))
    pages = [entities(*((each, next(number)) for each in page)) for page in added]
    with EntitySorter() as sorter:
        for page in pages:
            sorter.add(page)
        assert in_order(sorter) == first_of_each([each for page in pages for each in page])


def test_many_entities_come_a_piece_at_a_time() -> None:
    rows = entities(*((f"{number * 7919 % 5000:05d}", number) for number in range(6000)))
    with EntitySorter() as sorter:
        for start in range(0, 6000, 300):
            sorter.add(rows[start : start + 300])
        assert max(map(len, sorter.sorted())) <= 500
        assert in_order(sorter) == first_of_each(rows)


@pytest.mark.parametrize("others", [0, 20_000])
def test_what_a_block_that_fails_has_added_is_dropped(others: int) -> None:
    kept = entities(("b", 1), *((f"{number:05d}", number) for number in range(others)))
    with EntitySorter() as sorter:
        sorter.add(kept)
        with pytest.raises(ValueError, match="no more"), sorter.all_or_none():
            add_and_fail(sorter)
        with sorter.all_or_none():
            sorter.add(entities(("b", 6), ("e", 7)))
        with pytest.raises(ValueError, match="no more"), sorter.all_or_none():
            add_and_fail(sorter)
        assert in_order(sorter) == first_of_each([*kept, *entities(("e", 7))])


MANY = """
import resource, sys
from pathlib import Path
from audit.entity import Entity, EntityType
from audit.inventory.sorter import EntitySorter

count, folder = int(sys.argv[1]), Path(sys.argv[2])
with EntitySorter() as sorter:
    for start in range(0, count, 1000):
        numbers = range(start, start + 1000)
        sorter.add([Entity(EntityType.PERSON, f"{n * 7919 % count:0100d}", "x" * 200) for n in numbers])
    sorted = sorter.sorted()
    rows = len(next(sorted))
    files = [path for path in Path("/proc/self/fd").iterdir() if str(path.resolve()).startswith(str(folder))]
    named = list(folder.iterdir())
    rows += sum(map(len, sorted))
print(rows, len(files), len(named), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def sort_many(count: int, folder: Path) -> tuple[int, int, int, int]:
    """Sort in a process. Returns rows, open files in the temporary folder, names there, and peak kilobytes."""
    environment = os.environ | {"TMPDIR": str(folder)}
    environment.pop("SQLITE_TMPDIR", None)
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(count), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows, files, named, peak = map(int, done.stdout.split())
    return rows, files, named, peak


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_few_entities_are_in_memory_and_nothing_is_left_in_the_folder_of_temporary_files(tmp_path: Path) -> None:
    few, many = sort_many(10_000, tmp_path), sort_many(60_000, tmp_path)
    assert (few[0], many[0]) == (10_000, 60_000)
    assert many[1] > 0
    assert many[2] == 0
    assert list(tmp_path.iterdir()) == []
    # The additional entities alone have 15 MB.
    assert many[3] - few[3] < 8_000


def test_a_full_disk_is_told_by_the_folder_of_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    rows = entities(*((f"{number:064}", number) for number in range(20_000)))
    with EntitySorter() as sorter:
        sorter._database.execute("PRAGMA temp.max_page_count = 50")
        with pytest.raises(OSError, match="No space left") as full, sorter.all_or_none():
            sorter.add(rows)
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, str(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the size of files")
def test_a_disk_that_fails_is_told_by_the_folder_of_temporary_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with EntitySorter() as sorter:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(OSError, match="Input/output error") as failure:
                sorter.add(entities(*((f"{number:064}", number) for number in range(20_000))))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (failure.value.errno, failure.value.filename) == (errno.EIO, str(tmp_path))
