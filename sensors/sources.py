"""Source files asked for together: a run costs seconds before it lands anything, and many files are small.

A range of the partitions `sources` is what lies between two of them in the order in which they were registered.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from sensors.runs import RANGE_END, RANGE_START, partition_range

FILES_A_RUN = 25

BYTES_A_RUN = 64_000_000
"""A run over more bytes lands one file: large ones are landed beside each other."""


def together(sizes: Mapping[str, int], order: Sequence[str]) -> Iterator[list[str]]:
    """The sources, of so many bytes, in stretches that lie side by side in `order`: each for one run."""
    places = {key: place for place, key in enumerate(order)}
    ordered = sorted(sizes, key=places.__getitem__)
    stretch, size = ordered[:1], sizes[ordered[0]] if ordered else 0
    for before, key in pairwise(ordered):
        is_next = places[key] == places[before] + 1
        if is_next and len(stretch) < FILES_A_RUN and size + sizes[key] <= BYTES_A_RUN:
            stretch, size = [*stretch, key], size + sizes[key]
        else:
            yield stretch
            stretch, size = [key], sizes[key]
    if stretch:
        yield stretch


def sources_range(keys: Sequence[str]) -> dict[str, str]:
    """Run tags that ask for a stretch; none for a single source, which a run has as its partition."""
    return partition_range(keys[0], keys[-1]) if len(keys) > 1 else {}


def sources_of(tags: Mapping[str, str], order: Sequence[str]) -> set[str]:
    """Sources that a run of these tags lands."""
    if RANGE_START not in tags:
        return {tags["dagster/partition"]} & set(order) if "dagster/partition" in tags else set()
    try:
        return set(order[order.index(tags[RANGE_START]) : order.index(tags[RANGE_END]) + 1])
    except ValueError:  # a range of dates, or of sources that are not there any more
        return set()
