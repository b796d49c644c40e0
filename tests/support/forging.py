"""What somebody who may write to the output does to a draft."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit.output.seal import Seal, sealed_file
from audit.snapshot.layout import JOURNAL

Forge = Callable[[Path], None]
ROOMS = 60
BATCH = 20
#: The length of a keyed digest.
DIGEST = 32


def one(folder: Path, pattern: str) -> Path:
    return min(folder.rglob(pattern))


def contents(path: Path) -> bytes:
    return path.read_bytes()[:-DIGEST]


def rewrite(path: Path, content: bytes) -> None:
    """Write a file as somebody does who knows the format, and has another key."""
    with sealed_file(path, Seal(b"x" * 32)) as file:
        file.write(content)


def rewrite_arrow(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    with pa.ipc.open_file(contents(path)) as reader:
        rows = change(reader.read_all())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        for batch in rows.to_batches(max_chunksize=BATCH):
            writer.write_batch(batch)
    rewrite(path, sink.getvalue().to_pybytes())


def take_a_room_out(draft: Path) -> None:
    rewrite_arrow(one(draft, "inventory.arrow"), lambda rows: rows.slice(0, ROOMS - 1))


def add_a_room(draft: Path) -> None:
    rewrite_arrow(one(draft, "inventory.arrow"), lambda rows: pa.concat_tables([rows, rows.slice(ROOMS - 1)]))


def turn_one_way(draft: Path) -> None:
    def change(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("connection_type")
        return rows.set_column(at, rows.schema.field(at), pa.repeat(pa.scalar("ONE_WAY"), rows.num_rows))

    rewrite_arrow(one(draft, "00000000.*.push_to_talk.arrow"), change)


def keep_the_old_digest(draft: Path) -> None:
    path = one(draft, "00000000.*.push_to_talk.arrow")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_an_answer(draft: Path) -> None:
    path = one(draft, "*.answers")
    data = contents(path)[32:].replace(b"TWO_WAY", b"ONE_WAY")
    rewrite(path, hashlib.sha256(data).digest() + data)


def take_a_part_for_another_batch(draft: Path) -> None:
    for path in sorted(draft.rglob("00000000.*.arrow")):
        shutil.copy(path, path.with_name(path.name.replace("00000000", "00000002")))


def take_a_table_for_another(draft: Path) -> None:
    path = one(draft, "00000000.*.push_to_talk_members.arrow")
    shutil.copy(path, path.with_name(path.name.replace("push_to_talk_members", "push_to_talk")))


def move_to_another_attempt(draft: Path) -> None:
    attempt = one(draft, "inventory.arrow").parent
    attempt.rename(attempt.with_name("ffffffff"))


def plant_a_part(draft: Path) -> None:
    path = one(draft, "00000000.*.coverage.arrow")
    rewrite(path.with_name("00000000.00000000.coverage.arrow"), contents(path))


def plant_an_attempt(draft: Path) -> None:
    attempt = one(draft, "inventory.arrow").parent
    planted = attempt.with_name("ffffffff")
    shutil.copytree(attempt, planted)
    for number in range(9):
        (planted / f"0000000{number}.x.000000.answers").write_bytes(b"more")
    take_a_room_out(planted)


def cut_off(draft: Path) -> None:
    one(draft, "inventory.arrow").write_bytes(b"")


def link_away(draft: Path) -> None:
    path = one(draft, "00000000.*.coverage.arrow")
    path.rename(draft.parent.parent / "elsewhere.arrow")
    path.symlink_to(draft.parent.parent / "elsewhere.arrow")


def plant_a_pipe(draft: Path) -> None:
    os.mkfifo(one(draft, "inventory.arrow").with_name("00000009.00000000.000000.answers"))


def plant_a_folder(draft: Path) -> None:
    (one(draft, "inventory.arrow").with_name("00000009.00000000.coverage.arrow")).mkdir()


def plant_a_name_that_is_not_utf8(draft: Path) -> None:
    name = os.fsencode(one(draft, "inventory.arrow").parent) + b"/00000009.\xff.coverage.arrow"
    Path(os.fsdecode(name)).write_bytes(b"planted")


def put_a_file_in_place_of_the_parts(draft: Path) -> None:
    shutil.rmtree(draft / "parts")
    (draft / "parts").touch()


def put_a_file_in_place_of_a_dataset(draft: Path) -> None:
    folder = one(draft, "inventory.arrow").parent.parent
    (folder.with_name("audio_options")).touch()


def count_other_requests(draft: Path) -> None:
    rewrite(one(draft, "*.requests"), b'{"total": 0, "retried": 0, "throttled": 0}')


def change_journal(draft: Path, **changes: Any) -> None:
    journal = json.loads((draft / JOURNAL).read_bytes())
    (draft / JOURNAL).write_text(json.dumps(journal | changes))


def begin_later(draft: Path) -> None:
    change_journal(draft, started_at="2026-11-21T19:25:00.5Z")


def narrow_the_scope(draft: Path) -> None:
    scope = json.loads((draft / JOURNAL).read_bytes())["scope"]
    change_journal(draft, scope=scope | {"organizations": ["named", "x"]})


def come_after_another(draft: Path) -> None:
    change_journal(draft, after="20261121T190900Z-0a1b2c")


FORGERIES: list[Forge] = [
    take_a_room_out,
    add_a_room,
    turn_one_way,
    keep_the_old_digest,
    change_an_answer,
    take_a_part_for_another_batch,
    take_a_table_for_another,
    move_to_another_attempt,
    plant_a_part,
    plant_an_attempt,
    cut_off,
    link_away,
    plant_a_pipe,
    plant_a_folder,
    plant_a_name_that_is_not_utf8,
    put_a_file_in_place_of_the_parts,
    put_a_file_in_place_of_a_dataset,
    count_other_requests,
    begin_later,
    narrow_the_scope,
    come_after_another,
]
