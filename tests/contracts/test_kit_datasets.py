"""The kit finds the dataset that breaks each promise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from histobench import (
    DataError,
    DatasetCard,
    PublishedFold,
    Scheme,
    Slide,
    SlideImage,
    SpotTable,
    TargetFact,
    Targets,
    UInt8,
)
from histobench.testing import ContractError, ToyDataset, check_dataset

ABUNDANCE = TargetFact(name="cell_abundance", kind="cell_abundance", title="cells", unit="cells")
LABEL = TargetFact(name="label", kind="label", title="region", unit="class")
GENES = TargetFact(name="gene_expression", kind="gene_expression", title="genes", unit="ln(1 + cp10k)")


def card(dataset: Callable[[], ToyDataset] = ToyDataset, **facts: object) -> DatasetCard:
    plain = DatasetCard(
        name="toy",
        title="toy",
        licence="CC0-1.0",
        build=lambda _root: dataset(),
        targets=(ABUNDANCE, LABEL, GENES),
        has_oracle=True,
    )
    return replace(plain, **facts)  # type: ignore[arg-type]  # one wrong fact at a time


class Empty(ToyDataset):
    def slides(self, target: str) -> Sequence[Slide]:
        return []


class AllLeftOut(Empty):
    def left_out(self, target: str) -> Mapping[str, str]:
        return {"toy1": "no image here"}


class NothingToPredict(ToyDataset):
    def table(self, slide: Slide, target: str) -> SpotTable:
        table = super().table(slide, target)
        none = table.targets and Targets(kind=table.targets.kind, names=(), values=table.targets.values[:, :0])
        return replace(table, targets=none)


class LabelsLeftOut(AllLeftOut):
    def slides(self, target: str) -> Sequence[Slide]:
        return [] if target == "label" else ToyDataset.slides(self, target)

    def left_out(self, target: str) -> Mapping[str, str]:
        return {"toy9": "no label file here"} if target == "label" else {}


class Twice(ToyDataset):
    def slides(self, target: str) -> Sequence[Slide]:
        return [*super().slides(target), super().slides(target)[0]]


class Shuffled(ToyDataset):
    def __init__(self) -> None:
        super().__init__()
        self._turn = self._turns()

    def slides(self, target: str) -> Sequence[Slide]:
        return next(self._turn)

    def _turns(self) -> Iterator[Sequence[Slide]]:
        while True:
            yield ToyDataset.slides(self, "label")
            yield ToyDataset.slides(self, "label")[::-1]


class Nobody(ToyDataset):
    def slides(self, target: str) -> Sequence[Slide]:
        return [replace(slide, patient="") for slide in super().slides(target)]


class LeftOutYetThere(ToyDataset):
    def left_out(self, target: str) -> Mapping[str, str]:
        return {"toy1": "no image"}


class LeftOutSilently(ToyDataset):
    def left_out(self, target: str) -> Mapping[str, str]:
        return {"toy9": ""}


class EmptyNote(ToyDataset):
    def notes(self, slide: Slide, target: str) -> tuple[str, ...]:
        return ("",)


class Spoilt(ToyDataset):
    """A toy dataset whose tables are spoilt."""

    def spoil(self, table: SpotTable) -> SpotTable:
        raise AssertionError("each broken dataset spoils in its own way")

    def table(self, slide: Slide, target: str) -> SpotTable:
        return self.spoil(super().table(slide, target))


class OtherSlide(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, slide=Slide(id="other", patient="x"))


class Hexagonal(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, lattice="hex")


class Stacked(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, array=np.zeros_like(table.array))


class Nowhere(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, xy_um=np.full_like(table.xy_um, np.nan))


class WrongKind(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, targets=table.targets and replace(table.targets, kind="label"))


class SoftLabels(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        soft = table.targets
        if soft is not None and soft.kind == "label":
            soft = replace(soft, values=soft.values * np.float32(0.5))
        return replace(table, targets=soft)


class NoCounts(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, counts=None)


class NoOracle(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, oracle=None)


class OwnNames(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        targets = table.targets
        if targets is None or table.slide.id != "toy2":
            return table
        return replace(table, targets=Targets(kind=targets.kind, names=targets.names[::-1], values=targets.values))


class Moody(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        if table.targets is None:
            return table
        factor = np.float32(np.random.default_rng().random())
        return replace(table, targets=replace(table.targets, values=table.targets.values * factor))


class RowFirst(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, xy_px=table.xy_px[:, ::-1])


class WrongScale(Spoilt):
    def spoil(self, table: SpotTable) -> SpotTable:
        return replace(table, xy_um=table.xy_um * 2)


class _GreyImage:
    def content_hash(self) -> str:
        return "grey"

    def read(self) -> UInt8:
        return np.zeros((640, 640), dtype=np.uint8)


class Grey(ToyDataset):
    def image(self, slide: Slide) -> SlideImage:
        return _GreyImage()


class OnePrint(ToyDataset):
    def fingerprint(self, slide: Slide, target: str) -> str:
        return "always the same"


class NoPrint(ToyDataset):
    def fingerprint(self, slide: Slide, target: str) -> str:
        return ""


class NewPrint(ToyDataset):
    def fingerprint(self, slide: Slide, target: str) -> str:
        return str(np.random.default_rng().random())


def test_honest_dataset_passes() -> None:
    check_dataset(card())


def test_target_without_slides_is_passed_over() -> None:
    check_dataset(card(LabelsLeftOut))


def test_dataset_without_files_is_not_judged() -> None:
    with pytest.raises(DataError, match="no slide of any target is available"):
        check_dataset(card(AllLeftOut))


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (Empty, "it has no slides, and none is left out with a reason"),
        (Twice, "lists a slide twice"),
        (Shuffled, "in another order each time"),
        (Nobody, "a slide has no patient"),
        (LeftOutYetThere, "'toy1'.* is both listed and left out"),
        (LeftOutSilently, "left out without a reason"),
        (EmptyNote, "notes an empty sentence"),
        (OtherSlide, "its table is of another slide, 'other'"),
        (Hexagonal, "its lattice is hex, the card states square"),
        (Stacked, "two spots share a place"),
        (Nowhere, "a spot has no place"),
        (WrongKind, "its targets are label, not cell_abundance"),
        (SoftLabels, "labels are one-hot"),
        (NoCounts, "genes are read off counts, and it has none"),
        (NoOracle, "its card promises an oracle"),
        (NothingToPredict, "it has nothing to predict"),
        (OwnNames, "do not share their target names"),
        (Moody, "read twice, its targets differ"),
        (RowFirst, "a spot lies outside its image of 640 x 384 pixels; x comes first"),
        (WrongScale, "mpp is wrong"),
        (Grey, r"an image is \(h, w, 3\) uint8, got \(640, 640\) uint8"),
        (OnePrint, "two slides have one fingerprint"),
        (NoPrint, "empty fingerprint"),
        (NewPrint, "fingerprint changes"),
    ],
)
def test_broken_dataset_is_told_apart(dataset: Callable[[], ToyDataset], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_dataset(card(dataset))


LEAKING = Scheme(
    name="leaking",
    title="puts one patient on both sides and does not say so",
    folds=(PublishedFold(name="0", train=("toy1",), val=(), test=("toy2",)),),
)
FOREIGN = Scheme(
    name="foreign",
    title="names slides that the dataset has not",
    folds=(PublishedFold(name="0", train=("a",), val=(), test=("b",)),),
)


class OnePatient(ToyDataset):
    def __init__(self) -> None:
        super().__init__()
        self._slides = tuple(replace(slide, patient="toy:1") for slide in self._slides)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"targets": ()}, "names no target"),
        ({"targets": (LABEL, LABEL)}, "names a target twice"),
        ({"targets": (replace(LABEL, name="region"),)}, "target 'region' must be called 'label'"),
        ({"targets": (replace(LABEL, unit=""),)}, "no title or no unit"),
        ({"schemes": ()}, "has no scheme"),
        ({"schemes": (FOREIGN, FOREIGN)}, "names a scheme twice"),
        ({"schemes": (FOREIGN,)}, "no scheme forms a fold from all of its slides"),
        ({"n_slides": 3}, "it lists 4 slides, the card states 3"),
        ({"n_patients": 3}, "more patients than the card states"),
        ({"has_oracle": False}, "an oracle, but its card does not declare one"),
    ],
)
def test_wrong_fact_is_told(facts: dict[str, object], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_dataset(card(**facts))


def test_scheme_that_leaks_unmarked_is_told() -> None:
    with pytest.raises(ContractError, match=r"scheme 'leaking' is not marked as leaking: fold 0: patient 'toy:1'"):
        check_dataset(card(OnePatient, schemes=(LEAKING,)))


def test_scheme_that_leaks_and_says_so_passes() -> None:
    check_dataset(card(OnePatient, schemes=(replace(LEAKING, leaks=True),)))
