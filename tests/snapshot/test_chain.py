"""The order of snapshots is the chain's: laws over manifests that no clock can break."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.snapshot.chain import Break, Chain
from audit.snapshot.manifest import Manifest, Previous, Requests, Scope, Tool
from audit.snapshot.removed import Removed

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def id_of(number: int) -> str:
    return f"20261121T190900Z-{number:06x}"


def sha256_of(snapshot_id: str) -> str:
    return hashlib.sha256(snapshot_id.encode()).hexdigest()


def named(number: int | None) -> Previous | None:
    return None if number is None else Previous(id_of(number), sha256_of(id_of(number)))


def manifest(number: int, before: int | None, hours: float = 0) -> Manifest:
    """A snapshot that was begun this many hours after an hour zero, by the clock of that time."""
    started_at = NOW + hours * HOUR
    scope, requests = Scope(["d"], ["WORKSPACE"]), Requests(0, 0, 0)
    return Manifest(
        1,
        id_of(number),
        Tool("webex-audit", "0"),
        "complete",
        started_at,
        started_at + HOUR / 2,
        "https://h/v1",
        scope,
        [],
        {},
        {},
        requests,
        {},
        named(before),
    )


def tombstone(of: Manifest) -> Removed:
    return Removed(of.snapshot_id, sha256_of(of.snapshot_id), of.previous, NOW, "older than the last 1")


def order(manifests: Sequence[Manifest], removed: Sequence[Removed] = ()) -> list[int]:
    return [int(each[-6:], 16) for each in Chain(manifests, removed).order]


CLOCKS = st.lists(st.integers(-100_000, 100_000), min_size=1, max_size=9)


@st.composite
def lines(draw: st.DrawFn) -> list[Manifest]:
    """A chain without a fork or a gap; neither its clocks nor its ids say anything of its order."""
    hours = draw(CLOCKS)
    numbers = draw(st.permutations(range(len(hours))))
    befores = [None, *numbers[:-1]]
    return [manifest(*each) for each in zip(numbers, befores, hours, strict=True)]


@st.composite
def tangles(draw: st.DrawFn) -> tuple[list[Manifest], list[Removed]]:
    """Anything that manifests may name: forks, gaps, loops, themselves; and records of some that are gone."""
    hours = draw(CLOCKS)
    before = st.none() | st.integers(0, len(hours) + 2)
    manifests = [manifest(number, draw(before), hour) for number, hour in enumerate(hours)]
    gone = [manifest(len(hours) + each, draw(before)) for each in range(2)]
    return manifests, [tombstone(each) for each in gone if draw(st.booleans())]


@given(lines())
def test_a_line_comes_in_its_order_whatever_the_clocks_say(line: list[Manifest]) -> None:
    chain = Chain(reversed(line))
    ids = [each.snapshot_id for each in line]
    assert chain.order == ids
    assert list(chain.ancestors(ids[-1])) == ids[-2::-1]
    assert chain.breaks() == []
    assert [each for each in ids if not chain.is_named(each)] == ids[-1:]


@given(tangles(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_the_files(
    tangle: tuple[list[Manifest], list[Removed]], random: Random
) -> None:
    manifests, removed = tangle
    before = Chain(manifests, removed)
    shuffled, entries = [*manifests], [*removed]
    random.shuffle(shuffled)
    random.shuffle(entries)
    after = Chain(shuffled, entries)
    assert before.order == after.order
    assert sorted(before.order) == sorted(each.snapshot_id for each in manifests)
    assert before.breaks() == after.breaks()
    for each in before.order:
        found = list(before.ancestors(each))
        assert found == list(after.ancestors(each))
        assert len(set(found)) == len(found)
        assert all(before.order.index(one) > before.order.index(two) for one, two in pairwise([each, *found]))
        assert list(before.lineage(each)) == list(after.lineage(each))


@given(lines(), st.data())
def test_pruning_any_of_a_line_but_the_newest_changes_nothing_else(line: list[Manifest], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(range(len(line)))).map(lambda found: found - {len(line) - 1}))
    left = [each for index, each in enumerate(line) if index not in gone]
    chain = Chain(left, [tombstone(line[index]) for index in gone])
    assert chain.order == [each.snapshot_id for each in left]
    assert chain.breaks() == []
    assert [link.by for link in chain.lineage(left[-1].snapshot_id)] == [each.snapshot_id for each in reversed(line)]


@given(lines().filter(lambda line: len(line) > 1), st.data())
def test_one_that_is_gone_without_a_record_is_exactly_one_gap(line: list[Manifest], data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, len(line) - 2))
    chain = Chain(line[:gone] + line[gone + 1 :])
    assert chain.breaks() == [Break("gap", line[gone].snapshot_id, (line[gone + 1].snapshot_id,))]


@given(lines(), st.data())
def test_a_record_of_one_that_still_stands_says_nothing(line: list[Manifest], data: st.DataObject) -> None:
    recorded = [tombstone(each) for each in data.draw(st.lists(st.sampled_from(line), unique_by=id))]
    chain = Chain(line, recorded)
    assert chain.order == [each.snapshot_id for each in line]
    assert chain.breaks() == []


def test_a_clock_that_ran_ahead_once_changes_nothing() -> None:
    ahead = 10 * 365 * 24
    line = [manifest(1, None), manifest(2, 1, ahead), manifest(3, 2, 48)]
    assert order(line) == [1, 2, 3]


def test_of_several_ends_the_longest_is_the_newest_then_the_last_that_was_finished() -> None:
    fork = [manifest(1, None), manifest(2, 1, 900), manifest(3, 1, 24), manifest(4, 3, 48)]
    assert order(fork) == [1, 3, 2, 4]
    chain = Chain(fork)
    assert list(chain.ancestors(id_of(4))) == [id_of(3), id_of(1)]
    assert chain.breaks() == [Break("fork", id_of(1), (id_of(2), id_of(3)))]
    assert order(fork[:3])[-1] == 2
    assert order([manifest(1, None), manifest(2, 1), manifest(3, 1)])[-1] == 3
    assert Chain([fork[0], fork[2], fork[3]], [tombstone(fork[1])]).breaks() == []


def test_a_branch_stays_a_fork_where_it_began_with_a_pruned_one() -> None:
    fork = [manifest(1, None), manifest(2, 1), manifest(3, 2), manifest(4, 1)]
    chain = Chain([fork[0], fork[2], fork[3]], [tombstone(fork[1])])
    assert chain.breaks() == [Break("fork", id_of(1), (id_of(2), id_of(4)))]


def test_a_second_first_one_is_a_fork() -> None:
    chain = Chain([manifest(1, None), manifest(2, 1), manifest(3, None, 900)])
    assert chain.order[-1] == id_of(2)
    assert chain.breaks() == [Break("fork", None, (id_of(1), id_of(3)))]
    pruned = Chain([manifest(2, 1), manifest(3, None)], [tombstone(manifest(1, None))])
    assert pruned.breaks() == [Break("fork", None, (id_of(1), id_of(3)))]


def test_what_hangs_on_a_missing_one_comes_after_what_was_finished_before() -> None:
    line = [manifest(each, each - 1 if each else None, 24 * each) for each in range(5)]
    assert order([*line[:2], *line[3:]]) == [0, 1, 3, 4]
    chain = Chain([*line[:2], *line[3:]])
    assert list(chain.ancestors(id_of(3))) == [id_of(1), id_of(0)]
    assert [link.by for link in chain.lineage(id_of(4))] == [id_of(4), id_of(3)]
    stranger = manifest(9, 8, 36)
    assert order([*line, stranger])[-1] == 4


def test_a_record_of_another_manifest_is_a_gap_and_keeps_the_order() -> None:
    line = [manifest(1, None), manifest(2, 1), manifest(3, 2, -900)]
    other = Removed(id_of(2), "0" * 64, named(1), NOW, "")
    chain = Chain([line[0], line[2]], [other])
    assert chain.order == [id_of(1), id_of(3)]
    assert chain.breaks() == [Break("gap", id_of(2), (id_of(3),))]
    both = Chain([line[0], line[2]], [other, tombstone(line[1])])
    assert both.breaks() == []


def test_a_folder_that_never_was_a_snapshot_bridges_nothing() -> None:
    abandoned = Removed(id_of(1), None, None, NOW, "abandoned")
    assert Chain([manifest(2, 1)], [abandoned]).breaks() == [Break("gap", id_of(1), (id_of(2),))]


@pytest.mark.parametrize("befores", [[0], [1, 0], [1, 2, 0], [None, 2, 1]])
def test_a_loop_ends_and_is_told(befores: list[int | None]) -> None:
    chain = Chain([manifest(number, before) for number, before in enumerate(befores)])
    assert [each.kind for each in chain.breaks()] == ["loop"]
    assert len(chain.order) == len(befores)


def test_a_loop_of_pruned_ones_ends() -> None:
    entries = [Removed(id_of(one), sha256_of(id_of(one)), named(3 - one), NOW, "") for one in (1, 2)]
    chain = Chain([manifest(3, 1)], entries)
    assert [link.by for link in chain.lineage(id_of(3))] == [id_of(3), id_of(1), id_of(2)]


def test_nothing_has_no_order() -> None:
    chain = Chain([])
    assert (chain.order, chain.breaks(), list(chain.ancestors(id_of(1)))) == ([], [], [])
