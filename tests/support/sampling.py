"""Which parameters of a long matrix the default run takes."""

from collections.abc import Hashable, Mapping, Sequence


def sample_of(cases: Sequence[Mapping[str, Hashable]], count: int) -> list[int]:
    """The positions of a few cases: spread evenly, and together with as many values of each parameter as can be.

    Args:
        cases: the cases of a test, each with its value of each parameter.
        count: the number of cases to take.
    """
    spread = [place * len(cases) // count for place in range(count)] if count < len(cases) else []
    rest = [*dict.fromkeys([*spread, *range(len(cases))])]
    seen: set[tuple[str, Hashable]] = set()
    taken: list[int] = []
    while rest and len(taken) < count:
        best = max(rest, key=lambda place: len(cases[place].items() - seen))
        rest.remove(best)
        seen |= cases[best].items()
        taken.append(best)
    return sorted(taken)
