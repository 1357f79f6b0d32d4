"""Neighbours touch on their lattice, never across slides, and are found at a cost linear in spots."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histobench.data import Int, Lattice
from histobench.data.graphs import adjacency, expand, lattice_edges, nearest_edges

HEX_NEIGHBOURS = {(-2, 0), (2, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)}
"""Neighbours on the hexagonal capture lattice (10x Genomics): even columns on even rows, odd ones on odd rows."""

SQUARE_NEIGHBOURS = {(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} - {(0, 0)}
"""The eight neighbours on the square lattice."""


def lattice_spots(lattice: Lattice, side: int = 6) -> Int:
    """Make every place of a small lattice, column first."""
    places = [(x, y) for y in range(side) for x in range(side * 2 if lattice == "hex" else side)]
    if lattice == "hex":
        places = [(x, y) for x, y in places if x % 2 == y % 2]
    return np.array(places, dtype=np.int64)


def some_spots(lattice: Lattice) -> st.SearchStrategy[Int]:
    """Draw some places of a lattice, in any order."""
    everywhere = lattice_spots(lattice)
    rows = st.lists(st.integers(0, len(everywhere) - 1), unique=True, min_size=1, max_size=30)
    return rows.map(lambda chosen: everywhere[chosen])


def one_slide(n: int) -> npt.NDArray[np.str_]:
    return np.full(n, "s")


def pairs(edges: Int) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in edges.T}


@pytest.mark.parametrize(("lattice", "near"), [("square", SQUARE_NEIGHBOURS), ("hex", HEX_NEIGHBOURS)])
@given(data=st.data())
def test_edges_are_the_touching_pairs(lattice: Lattice, near: set[tuple[int, int]], data: st.DataObject) -> None:
    array = data.draw(some_spots(lattice))
    found = pairs(lattice_edges(array, one_slide(len(array)), lattice=lattice, self_loops=False))
    steps = {(i, j): tuple(array[j] - array[i]) for i in range(len(array)) for j in range(len(array))}
    assert found == {pair for pair, step in steps.items() if step in near}


@pytest.mark.parametrize("lattice", ["square", "hex"])
@given(data=st.data())
def test_every_edge_has_its_way_back_and_none_repeats(lattice: Lattice, data: st.DataObject) -> None:
    array = data.draw(some_spots(lattice))
    edges = lattice_edges(array, one_slide(len(array)), lattice=lattice)
    assert pairs(edges) == {(b, a) for a, b in pairs(edges)}
    assert edges.shape[1] == len(pairs(edges))
    assert {(i, i) for i in range(len(array))} <= pairs(edges)


def test_edges_are_sorted_by_target_then_source() -> None:
    array = lattice_spots("square", side=3)
    edges = lattice_edges(array, one_slide(9), lattice="square")
    assert edges.T[:, ::-1].tolist() == sorted(edges.T[:, ::-1].tolist())
    assert edges.dtype == np.int64


def test_slides_never_touch() -> None:
    array = np.array([[0, 0], [1, 0], [0, 0], [1, 0]])
    edges = lattice_edges(array, np.array(["a", "b", "b", "a"]), lattice="square", self_loops=False)
    assert pairs(edges) == {(0, 3), (3, 0), (1, 2), (2, 1)}


def test_lonely_spot_touches_itself_alone() -> None:
    lonely = lattice_edges(np.array([[5, 5]]), one_slide(1), lattice="hex")
    assert lonely.tolist() == [[0], [0]]
    assert lattice_edges(np.array([[5, 5]]), one_slide(1), lattice="hex", self_loops=False).shape == (2, 0)


def test_adjacency_has_a_one_at_target_and_source() -> None:
    matrix = adjacency(np.array([[0, 2], [1, 1]]), 3).toarray()
    assert matrix.tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0]]


def chain(n: int) -> Int:
    """Link spots in a row, both ways and each with itself."""
    array = np.stack([np.arange(n), np.zeros(n, dtype=np.int64)], axis=1)
    return lattice_edges(array, one_slide(n), lattice="square")


@pytest.mark.parametrize(
    ("seeds", "hops", "found"),
    [
        ([5], 0, [5]),
        ([5], 1, [5, 4, 6]),
        ([5], 2, [5, 4, 6, 3, 7]),
        ([9, 0], 1, [9, 0, 1, 8]),
        ([6, 5], 1, [6, 5, 4, 7]),
        ([0], 20, list(range(10))),
        ([], 2, []),
    ],
)
def test_expand_lists_seeds_then_hops(seeds: list[int], hops: int, found: list[int]) -> None:
    links = adjacency(chain(10), 10)
    assert expand(links, np.array(seeds, dtype=np.int64), hops=hops).tolist() == found


@given(array=some_spots("hex"), data=st.data())
def test_expand_finds_what_powers_of_the_adjacency_reach(array: Int, data: st.DataObject) -> None:
    n = len(array)
    links = adjacency(lattice_edges(array, one_slide(n), lattice="hex"), n)
    seeds = data.draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1, max_size=4))
    hops = data.draw(st.integers(0, 3))
    reach = np.linalg.matrix_power(links.toarray().astype(np.int64), hops)[:, seeds].any(axis=1) if hops else None
    expected = set(seeds) if reach is None else set(np.flatnonzero(reach).tolist())
    found = expand(links, np.array(seeds), hops=hops).tolist()
    assert found[: len(seeds)] == seeds
    assert len(found) == len(set(found))
    assert set(found) == expected


def _nearest_by_sorting(array: Int, k: int) -> list[list[int]]:
    """The rule word for word: distances to all, a stable sort, itself left out, the first k."""
    squared = ((array[:, None] - array[None]) ** 2).sum(axis=2)
    order = np.argsort(squared, axis=1, kind="stable")
    return [[int(j) for j in order[i] if j != i][:k] for i in range(len(array))]


def _looked_at(edges: Int, n: int) -> list[list[int]]:
    return [edges[0, edges[1] == i].tolist() for i in range(n)]


@given(array=some_spots("hex"), k=st.integers(1, 6))
def test_nearest_edges_are_the_first_of_a_stable_sort(array: Int, k: int) -> None:
    edges = nearest_edges(array, one_slide(len(array)), k=k)
    assert _looked_at(edges, len(array)) == _nearest_by_sorting(array, k)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=25), st.integers(1, 5))
def test_spots_that_share_a_position_never_look_at_themselves(places: list[tuple[int, int]], k: int) -> None:
    array = np.array(places, dtype=np.int64)
    edges = nearest_edges(array, one_slide(len(array)), k=k)
    assert _looked_at(edges, len(array)) == _nearest_by_sorting(array, k)


def test_nearest_edges_stay_on_their_slide() -> None:
    array = np.array([[0, 0], [0, 1], [0, 0], [0, 2], [5, 5]])
    edges = nearest_edges(array, np.array(["a", "b", "b", "a", "c"]), k=4)
    assert edges.tolist() == [[3, 2, 1, 0], [0, 1, 2, 3]]


def test_nearest_edges_of_a_whole_slide_are_k_a_spot() -> None:
    array = lattice_spots("square", side=70)
    edges = nearest_edges(array, one_slide(len(array)), k=4)
    assert edges.shape == (2, 4 * len(array))
    assert np.array_equal(edges[1], np.repeat(np.arange(len(array)), 4))
