"""The output folder: what is written is whole, what is corrupt is set aside, what is claimed is held."""

import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from histobench.data import Prediction, SlideResult, Targets
from histobench.errors import DataError, StoreError
from histobench.files import write_atomically
from histobench.results.store import Store, read_predictions, write_history, write_predictions


def result(predicted: np.ndarray, observed: np.ndarray, slide: str = "A1") -> SlideResult:
    names = tuple(f"type {column}" for column in range(predicted.shape[1]))
    return SlideResult(
        slide_id=slide,
        spot_ids=np.array([f"{row}x1" for row in range(len(predicted))]),
        xy_um=np.zeros((len(predicted), 2)),
        predicted=Prediction(names=names, values=predicted),
        observed=Targets(kind="cell_abundance", names=names, values=observed),
    )


finite = st.floats(-(2.0**99), 2.0**99, width=32)
tables = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float32, shape, elements=finite), hnp.arrays(np.float32, shape, elements=finite)
    )
)


@given(tables)
def test_predictions_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, pair) -> None:
    path = tmp_path_factory.mktemp("predictions") / "predictions.h5"
    write_predictions(path, [result(*pair), result(*pair, slide="B2 é")])
    first, second = read_predictions(path)
    assert (first.slide_id, second.slide_id) == ("A1", "B2 é")
    assert first.predicted.values.tobytes() == pair[0].tobytes()
    assert first.observed.values.tobytes() == pair[1].tobytes()
    assert first.predicted.names == result(*pair).predicted.names


def test_regions_come_back_where_a_slide_has_them(tmp_path: Path) -> None:
    values = np.ones((3, 2), dtype=np.float32)
    regions = np.array(["tumour", "", "connective tissue"])
    annotated = replace(result(values, values), regions=regions)
    write_predictions(tmp_path / "predictions.h5", [annotated, result(values, values, slide="B1")])
    first, second = read_predictions(tmp_path / "predictions.h5")
    assert first.regions is not None
    assert first.regions.tolist() == regions.tolist()
    assert second.regions is None


def test_truncated_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.h5"
    write_predictions(path, [result(np.ones((5, 2), np.float32), np.ones((5, 2), np.float32))])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="holds no predictions"):
        read_predictions(path)


def test_write_leaves_nothing_half_done(tmp_path: Path) -> None:
    write_atomically(tmp_path / "record.json", b"first")
    write_atomically(tmp_path / "record.json", b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert (tmp_path / "record.json").read_bytes() == b"second"


def test_opening_a_store_and_beginning_a_job_remove_what_killed_processes_left(
    tmp_path: Path, make_record, leftover: Callable[[Path], Path]
) -> None:
    record = make_record({"A1": [0.5]})
    left = [leftover(tmp_path / ".writable"), leftover(tmp_path / "jobs" / record.job_id / "predictions.h5")]
    Store(tmp_path).folder(record.job_id).begin(record.job)
    assert not [path for path in left if path.exists()]


def test_history_has_a_column_for_every_number(tmp_path: Path) -> None:
    write_history(tmp_path / "history.csv", [{"loss": 2.0}, {"loss": 1.0, "val_score": 0.5}])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,loss,val_score", "0,2.0,", "1,1.0,0.5"]


def test_record_under_another_name_is_set_aside(tmp_path: Path, make_record) -> None:
    store = Store(tmp_path)
    folder = store.folder("0123456789abcdef")
    folder.path.mkdir()
    folder.finish(make_record({"A1": [0.5]}))
    assert folder.record() is None
    assert [path.name for path in folder.path.glob("record*")] != ["record.json"]


def test_records_are_read_in_order_and_corrupt_ones_left_out(tmp_path: Path, make_record) -> None:
    store = Store(tmp_path)
    kept = [make_record({"A1": [score]}, seed=seed) for seed, score in enumerate((0.1, 0.2))]
    for record in kept:
        store.folder(record.job_id).path.mkdir()
        store.folder(record.job_id).finish(record)
    broken = store.folder("ffffffffffffffff")
    broken.path.mkdir()
    (broken.path / "record.json").write_text("{")
    records, damaged = store.records()
    assert [record.job_id for record in records] == sorted(record.job_id for record in kept)
    assert len(damaged) == 1
    assert "is not a record of a job" in damaged[0]
    assert (broken.path / "record.json").exists()


HOLD = """
import sys, time
from pathlib import Path
from histobench.results.store import Store
with Store(Path(sys.argv[1])).folder("job").claim() as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


def test_claimed_job_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    folder = Store(tmp_path).folder("job")
    with folder.claim() as ours:
        assert ours is False
    holder.kill()
    holder.communicate()
    with folder.claim() as ours:
        assert ours is True


def test_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no study"):
        Store(tmp_path, write=False)


def test_threads_open_one_folder_at_once(tmp_path: Path) -> None:
    """A runner waits for each worker in a thread, and each opens the store as its jobs end."""
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store(tmp_path), range(400)))
    assert len(stores) == 400
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writable", "jobs"]


@pytest.mark.parametrize("n_bytes", [0, 1000, 5000])
def test_a_disk_that_fills_up_in_an_hdf5_file_is_told_of(tmp_path: Path, n_bytes: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, most))
    try:
        with pytest.raises(StoreError, match="is full; free some space"):
            write_predictions(tmp_path / "predictions.h5", [result(np.ones((50, 3)), np.ones((50, 3)))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert not list(tmp_path.iterdir())


def test_predictions_of_another_kind_of_file_are_damaged(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.h5", [result(np.ones((50, 3)), np.ones((50, 3)))])
    with h5py.File(tmp_path / "predictions.h5", "r+") as file:
        del file["0/names"]
        file["0/names"] = np.arange(3)
    with pytest.raises(DataError, match="holds no predictions"):
        read_predictions(tmp_path / "predictions.h5")
