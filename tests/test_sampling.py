"""The default run takes a few cases of a long matrix, `make check-faults` all others."""

from itertools import product

import pytest
from sampling import sample_of


def test_each_value_of_a_matrix_is_tried() -> None:
    cases = [{"name": name, "kind": kind} for name, kind in product(range(9), range(6))]
    taken = [cases[place] for place in sample_of(cases, 9)]
    assert {case["name"] for case in taken} == {*range(9)}
    assert {case["kind"] for case in taken} == {*range(6)}


@pytest.mark.parametrize(
    ("size", "count", "taken"), [(6, 3, [0, 2, 4]), (5, 2, [0, 2]), (3, 3, [0, 1, 2]), (2, 9, [0, 1])]
)
def test_a_list_is_tried_from_begin_to_end(size: int, count: int, taken: list[int]) -> None:
    assert sample_of([{"name": place} for place in range(size)], count) == taken


@pytest.mark.few(2)
@pytest.mark.parametrize("place", range(5))
def test_what_is_left_out_is_run_with_the_faults(place: int, request: pytest.FixtureRequest) -> None:
    alone = len(request.session.items) == 1
    assert alone or (request.node.get_closest_marker("faults") is None) == (place in (0, 2))
