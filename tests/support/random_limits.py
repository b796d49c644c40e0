"""Limits of random kinds, for laws that hold whatever the limit is."""

from hypothesis import strategies as st
from race import Server
from servers import All, Any, AtOnce, Bucket, Noise, Sliding, Window


def in_windows(count: int, window_s: float, offset_s: float) -> tuple[Server, float]:
    return Window(count, window_s, offset_s), count / (window_s + (window_s > 1))


def by_chance(part: float, seed: int) -> tuple[Server, float]:
    # A burst of 50, and a pause of a second.
    return Noise(part, 1.0, seed), 50 * (1 - part) / (1.1 + 0.1 / part / 50)


def by_chance_within(limit: Server, offered_per_s: float, seed: int) -> tuple[Server, float]:
    """The half of what is offered is left, because a refusal by chance costs a second, too."""
    return All(Noise(0.01, 1.0, seed), limit), 0.5 * min(offered_per_s, 50)


def by_gateways(count: int, each: float, seed: int) -> tuple[Server, float]:
    gateways = Any([Bucket(each, each) for _ in range(count)], seed)
    return All(Noise(0.02, 1.0, seed), gateways), 0.5 * min(count * each, 50)


SEEDS = st.integers(0, 1000)
#: Random limits, and the requests per second that each offers to 50 requests at once with a latency of 0.1 s.
LIMITS = st.one_of(
    st.builds(lambda rate, saved: (Bucket(rate, rate * saved), rate), st.floats(2, 200), st.floats(1, 3)),
    # So little is saved that a pause of a second is lost, and finding the limit takes several.
    st.builds(lambda rate, burst: (Bucket(rate, burst), rate), st.floats(10, 100), st.floats(5, 10)),
    st.builds(in_windows, st.integers(2, 200), st.just(1.0), st.floats(0, 1)),
    st.builds(in_windows, st.integers(20, 400), st.floats(5, 20), st.floats(0, 20)),
    st.builds(lambda count, s: (Sliding(count, s), count / (s + 1)), st.integers(20, 400), st.floats(5, 20)),
    st.builds(by_chance, st.floats(0.005, 0.25), SEEDS),
    st.builds(lambda count: (AtOnce(count), count / 0.1), st.integers(2, 40)),
    st.builds(
        lambda count, s, seed: by_chance_within(Window(count, s, 0.0), count / (s + 1), seed),
        st.integers(50, 400),
        st.floats(5, 20),
        SEEDS,
    ),
    st.builds(lambda rate, seed: by_chance_within(Bucket(rate, rate), rate, seed), st.floats(5, 100), SEEDS),
    st.builds(by_gateways, st.integers(2, 8), st.floats(2, 25), SEEDS),
)
