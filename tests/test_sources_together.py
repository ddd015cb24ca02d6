"""Which source files are landed by one run."""

from hypothesis import given
from hypothesis import strategies as st

from sensors.sources import BYTES_A_RUN, FILES_A_RUN, sources_of, sources_range, together


@given(
    st.lists(st.tuples(st.integers(0, 2 * BYTES_A_RUN), st.booleans()), max_size=80),
    st.randoms(use_true_random=False),
)
def test_each_source_is_asked_for_once_and_no_other_with_it(files, random) -> None:
    order = [f"f-{number:012x}" for number in range(len(files))]
    sizes = {key: size for key, (size, is_wanted) in zip(order, files, strict=True) if is_wanted}
    shuffled = dict(random.sample(sorted(sizes.items()), len(sizes)))
    found = list(together(shuffled, order))
    assert [key for stretch in found for key in stretch] == list(sizes)
    for stretch in found:
        tags = sources_range(stretch) or {"dagster/partition": stretch[0]}
        assert sources_of(tags, order) == set(stretch)
        assert len(stretch) <= FILES_A_RUN
        assert len(stretch) == 1 or sum(sizes[key] for key in stretch) <= BYTES_A_RUN


def test_a_range_of_dates_is_none_of_sources() -> None:
    assert sources_of({"dagster/partition": "2026-11-01"}, ["a-1"]) == set()
    assert sources_of(sources_range(["2026-11-01", "2026-11-02"]), ["a-1"]) == set()
