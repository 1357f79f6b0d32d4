"""Which spots share a training step: parts, halos, published neighbourhoods."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histobench import Int, Lattice, Samples
from histobench.data.graphs import adjacency, lattice_edges
from histobench_heads.frames.neighbourhoods import Batching, Subgraph, contiguous_parts, grow, lattice_links


def _samples(array: Int, slides: list[str] | None = None, lattice: Lattice = "square") -> Samples:
    n = len(array)
    return Samples(
        slide_ids=np.array(slides if slides is not None else ["S"] * n),
        spot_ids=np.array([f"s{i}" for i in range(n)]),
        xy_um=array.astype(np.float32),
        array=array,
        lattice=lattice,
    )


def _grid(columns: int, rows: int) -> Int:
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)


def _hexagons(columns: int, rows: int) -> Int:
    grid = _grid(columns, rows)
    return np.stack([2 * grid[:, 0] + grid[:, 1] % 2, grid[:, 1]], axis=1)


def _two_slides() -> Samples:
    return _samples(np.concatenate([_grid(12, 9), _grid(7, 8)]), ["A"] * 108 + ["B"] * 56)


def _batching(samples: Samples, *, at_random: bool = False, part_spots: int = 16) -> Batching:
    links = lattice_links(samples)
    return Batching(samples=samples, links=links, hops=2, part_spots=part_spots, at_random=at_random)


def _seeds(parts: list[Subgraph]) -> list[int]:
    return [int(row) for part in parts for row in part.nodes[: part.n_seeds]]


def _touch(array: Int, one: int, other: int) -> bool:
    return one != other and bool((np.abs(array[one] - array[other]) <= 1).all())


def _reach(array: Int, seeds: list[int], hops: int) -> list[int]:
    """The published order, one spot at a time: seeds as given, then each hop's new spots in rising order."""
    found = list(seeds)
    front = list(seeds)
    for _ in range(hops):
        front = sorted({j for i in front for j in range(len(array)) if _touch(array, i, j)} - set(found))
        found += front
    return found


scattered = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=60, unique=True).map(
    lambda spots: np.array(spots, dtype=np.int64)
)


@given(array=scattered, hops=st.integers(1, 3), draw=st.randoms(use_true_random=False))
def test_a_subgraph_is_what_walking_spot_by_spot_finds(array: Int, hops: int, draw: object) -> None:
    seeds = draw.sample(range(len(array)), k=min(5, len(array)))  # type: ignore[attr-defined]
    links = adjacency(lattice_edges(array, np.full(len(array), "S"), lattice="square"), len(array))
    part = grow(links, np.array(seeds), hops=hops)
    assert part.nodes.tolist() == _reach(array, seeds, hops)


@given(array=scattered, draw=st.randoms(use_true_random=False))
def test_a_subgraph_keeps_every_link_between_its_nodes_and_no_other(array: Int, draw: object) -> None:
    seeds = draw.sample(range(len(array)), k=min(3, len(array)))  # type: ignore[attr-defined]
    slides = np.full(len(array), "S")
    links = adjacency(lattice_edges(array, slides, lattice="square", self_loops=False), len(array))
    part = grow(links, np.array(seeds), hops=1)
    m = len(part.nodes)
    linked = {(i, j) for i in range(m) for j in range(m) if _touch(array, int(part.nodes[i]), int(part.nodes[j]))}
    assert sorted(map(tuple, part.edges.T.tolist())) == sorted(linked)


def test_two_hops_on_the_hexagonal_lattice_are_nineteen_spots() -> None:
    array = _hexagons(9, 9)
    links = adjacency(lattice_edges(array, np.full(81, "S"), lattice="hex"), 81)
    assert len(grow(links, np.array([40]), hops=2).nodes) == 19


@given(
    array=scattered,
    part_spots=st.integers(1, 20),
    angle=st.floats(0, np.pi / 2),
    cut=st.floats(0, 1),
)
def test_parts_hold_every_spot_once_are_within_one_slide_and_no_larger_than_asked(
    array: Int, part_spots: int, angle: float, cut: float
) -> None:
    first = round(cut * len(array))
    samples = _samples(array, ["A"] * first + ["B"] * (len(array) - first))
    parts = contiguous_parts(samples, part_spots, angle=angle)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(array)))
    assert all(1 <= len(part) <= part_spots for part in parts)
    assert all(len(set(samples.slide_ids[part])) == 1 for part in parts)


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1])
@pytest.mark.parametrize(("array", "lattice"), [(_grid(20, 18), "square"), (_hexagons(18, 20), "hex")])
def test_parts_of_whole_tissue_are_connected(array: Int, lattice: Lattice, angle: float) -> None:
    links = adjacency(lattice_edges(array, np.full(360, "S"), lattice=lattice), 360)
    for part in contiguous_parts(_samples(array, lattice=lattice), 16, angle=angle):
        inside = links[part][:, part]
        within = grow(inside, np.array([0]), hops=len(part))
        assert len(within.nodes) == len(part)


def test_a_square_tissue_is_cut_into_square_parts() -> None:
    parts = contiguous_parts(_samples(_grid(16, 16)), 16)
    extents = [np.ptp(_grid(16, 16)[part], axis=0).tolist() for part in parts]
    assert extents == [[3, 3]] * 16


def test_parts_do_not_depend_on_the_order_of_rows() -> None:
    array = _grid(11, 7)
    order = np.random.default_rng(0).permutation(len(array))
    straight = contiguous_parts(_samples(array), 10)
    shuffled = contiguous_parts(_samples(array[order]), 10)
    assert [sorted(part.tolist()) for part in straight] == [sorted(order[part].tolist()) for part in shuffled]


@pytest.mark.parametrize("at_random", [False, True])
def test_training_and_prediction_seed_each_spot_once(at_random: bool) -> None:
    batching = _batching(_two_slides(), at_random=at_random)
    for parts in (list(batching.training(5, 0)), list(batching.prediction())):
        assert sorted(_seeds(parts)) == list(range(164))


@pytest.mark.parametrize("at_random", [False, True])
def test_no_spot_stands_twice_in_a_batch(at_random: bool) -> None:
    batching = _batching(_two_slides(), at_random=at_random)
    for part in batching.training(5, 0):
        assert len(np.unique(part.nodes)) == len(part.nodes)


@pytest.mark.parametrize("at_random", [False, True])
def test_epochs_differ_and_repeat_with_their_seed(at_random: bool) -> None:
    batching = _batching(_two_slides(), at_random=at_random)
    first, again = _seeds(list(batching.training(5, 0))), _seeds(list(batching.training(5, 0)))
    next_epoch, other_seed = _seeds(list(batching.training(5, 1))), _seeds(list(batching.training(6, 0)))
    assert first == again
    assert len({tuple(first), tuple(next_epoch), tuple(other_seed)}) == 3


def test_the_parts_themselves_change_from_epoch_to_epoch() -> None:
    batching = _batching(_two_slides())
    first, second = (
        {frozenset(part.nodes[: part.n_seeds].tolist()) for part in batching.training(5, epoch)} for epoch in (0, 1)
    )
    assert first != second


def test_contiguous_batches_never_mix_slides() -> None:
    samples = _two_slides()
    for part in _batching(samples).training(5, 0):
        assert len(set(samples.slide_ids[part.nodes])) == 1


def test_at_random_training_draws_sixteen_seeds_across_slides() -> None:
    samples = _two_slides()
    parts = list(_batching(samples, at_random=True).training(5, 0))
    assert [part.n_seeds for part in parts] == [16] * 10 + [4]
    assert set(samples.slide_ids[parts[0].nodes[:16]]) == {"A", "B"}


def test_at_random_prediction_takes_sixteen_consecutive_rows() -> None:
    parts = list(_batching(_two_slides(), at_random=True).prediction())
    assert _seeds(parts) == list(range(164))
    assert [part.n_seeds for part in parts] == [16] * 10 + [4]


def test_contiguous_parts_encode_far_fewer_patches_than_the_published_batches() -> None:
    samples = _samples(_grid(24, 24))
    per_epoch = [
        sum(len(part.nodes) for part in _batching(samples, at_random=at_random).training(0, 0))
        for at_random in (False, True)
    ]
    assert per_epoch[0] < per_epoch[1] / 3


# Rows 0 and 1 touch; row 2 is alone, and so is row 3.
_LONELY = np.array([[0, 0], [0, 1], [5, 5], [9, 9]])


@pytest.mark.parametrize("at_random", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_training_batch_has_a_single_node(at_random: bool, seed: int) -> None:
    parts = list(_batching(_samples(_LONELY), at_random=at_random, part_spots=1).training(seed, 0))
    assert all(len(part.nodes) > 1 for part in parts)
    assert sorted(_seeds(parts)) == [0, 1, 2, 3]


def test_a_lone_spot_on_its_own_slide_joins_another_batch() -> None:
    samples = _samples(np.array([[0, 0], [0, 1], [3, 3]]), ["A", "A", "B"])
    parts = list(_batching(samples).training(0, 0))
    assert [part.n_seeds for part in parts] == [3]


def test_prediction_leaves_a_lone_spot_alone() -> None:
    parts = list(_batching(_samples(_LONELY), part_spots=1).prediction())
    assert sorted(len(part.nodes) for part in parts) == [1, 1, 2, 2]
