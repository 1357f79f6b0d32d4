"""The cards of this package's methods: facts for planning, and how each is built.

Nothing here imports a numerical library before a method is built. To add a method, write its card and put it into
`METHODS`.
"""

from histobench import EncoderSlot, Kind, Method, MethodCard
from histobench_heads.controls.options import MeanOptions, OracleOptions, PositionOptions
from histobench_heads.cuca.options import CucaOptions
from histobench_heads.foundation.options import LinearOptions, MlpOptions
from histobench_heads.hist2cell.options import Hist2CellOptions
from histobench_heads.ridge.options import RidgeOptions

__all__ = ["METHODS"]

_ALL_KINDS: tuple[Kind, ...] = ("cell_abundance", "gene_expression", "label")
_CONTINUOUS: tuple[Kind, ...] = ("cell_abundance", "gene_expression")

_OURS = "Apache-2.0"
_CUCA_URL = "https://github.com/lyotvincent/CUCA"
_CUCA_LICENCE = "GPL-3.0 (the authors' code; this is a clean-room implementation from its specification)"
_CUCA_CITATION = "Yan et al. (2025), Bioinformatics (ISMB/ECCB 2025); code doi:10.5281/zenodo.15087256"


def _mean(options: MeanOptions) -> Method:
    from histobench_heads.controls.mean import Mean

    return Mean(options)


def _position(options: PositionOptions) -> Method:
    from histobench_heads.controls.position import Position

    return Position(options)


def _oracle(options: OracleOptions) -> Method:
    from histobench_heads.controls.oracle import Oracle

    return Oracle(options)


def _ridge(options: RidgeOptions) -> Method:
    from histobench_heads.ridge.method import Ridge

    return Ridge(options)


def _linear(options: LinearOptions) -> Method:
    from histobench_heads.foundation.method import LinearProbing

    return LinearProbing(options)


def _mlp(options: MlpOptions) -> Method:
    from histobench_heads.foundation.method import Mlp

    return Mlp(options)


def _cuca(options: CucaOptions) -> Method:
    from histobench_heads.cuca.method import Cuca

    return Cuca(options)


def _hist2cell(options: Hist2CellOptions) -> Method:
    from histobench_heads.hist2cell.method import Hist2Cell

    return Hist2Cell(options)


_MEAN = MethodCard(
    name="mean",
    title="control: every spot gets the mean of the training spots",
    licence=_OURS,
    build=_mean,
    options=MeanOptions,
    targets=_ALL_KINDS,
    control=True,
)

_POSITION = MethodCard(
    name="position",
    title="control: what the place within the tissue tells, without any image",
    licence=_OURS,
    build=_position,
    options=PositionOptions,
    targets=_ALL_KINDS,
    unit="slide",  # places are relative to the slide's bounding box
    control=True,
)

_COLOUR = MethodCard(
    name="colour",
    title="control: ridge regression on colour statistics of the patch",
    licence=_OURS,
    citation="Hoerl & Kennard (1970), Technometrics 12:55-67",
    build=_ridge,
    options=RidgeOptions,
    targets=_ALL_KINDS,
    encoder=EncoderSlot(default="colour-stats", default_mode="frozen", modes=("frozen",), fixed=True),
    control=True,
)

_ORACLE = MethodCard(
    name="oracle",
    title="control: the truth behind the targets, where it is known",
    licence=_OURS,
    build=_oracle,
    options=OracleOptions,
    targets=_ALL_KINDS,
    control=True,
    needs_oracle=True,
)

# The stand-in for a frozen foundation model is a convolutional network with random weights: it sees texture as well as
# colour (random convolutions are a usable filter bank: Jarrett et al. 2009, ICCV), needs no download, and is not the
# colour control under another name. It is a floor for the method, and every result names it.
_FROZEN_SCRATCH = "resnet18.random"

_RIDGE = MethodCard(
    name="ridge",
    title="ridge regression on frozen embeddings, its penalty chosen within the training slides",
    licence=_OURS,
    citation="Hoerl & Kennard (1970), Technometrics 12:55-67",
    build=_ridge,
    options=RidgeOptions,
    targets=_ALL_KINDS,
    encoder=EncoderSlot(
        default="virchow2",
        default_mode="frozen",
        modes=("frozen",),
        scratch=_FROZEN_SCRATCH,
        scratch_mode="frozen",
    ),
)

_LINEAR = MethodCard(
    name="linear",
    title="LinearProbing: one linear layer on frozen embeddings, trained by gradient descent",
    url=_CUCA_URL,
    licence=_CUCA_LICENCE,
    citation=_CUCA_CITATION,
    build=_linear,
    options=LinearOptions,
    targets=_CONTINUOUS,
    encoder=EncoderSlot(
        default="virchow2",
        default_mode="frozen",
        modes=("frozen",),
        scratch=_FROZEN_SCRATCH,
        scratch_mode="frozen",
    ),
    # a small random encoder's embeddings are small, and the steps are cheap
    presets={"quick": {"batch": 32}},
)

_MLP = MethodCard(
    name="mlp",
    title="MLP on frozen embeddings; FMMLP where the encoder is trained with it",
    url=_CUCA_URL,
    licence=_CUCA_LICENCE,
    citation=_CUCA_CITATION,
    build=_mlp,
    options=MlpOptions,
    targets=_CONTINUOUS,
    encoder=EncoderSlot(
        default="virchow2",
        default_mode="frozen",
        modes=("frozen", "lora", "full"),
        scratch=_FROZEN_SCRATCH,
        scratch_mode="frozen",
    ),
    presets={"quick": {"epochs": 15, "batch": 32}, "quick@full": {"patch_px": 32}},
)

_CUCA = MethodCard(
    name="cuca",
    title="CUCA: cell-type abundances with a gene autoencoder as companion in training",
    url=_CUCA_URL,
    licence=_CUCA_LICENCE,
    citation=_CUCA_CITATION,
    build=_cuca,
    options=CucaOptions,
    targets=("cell_abundance",),
    auxiliary="gene_expression",
    encoder=EncoderSlot(
        default="virchow2",
        default_mode="lora",
        modes=("lora", "full", "frozen"),
        scratch="vit-tiny",
        scratch_mode="full",
    ),
    # cuca, Loss: main, reconstruction, alignment. Other datasets get her2st's, which are the options' defaults.
    dataset_options={
        "her2st": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        "humanlung": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        "stnet": {"weight_main": 0.2, "weight_reconstruction": 0.7, "weight_alignment": 0.1},
    },
    mode_options={
        "frozen": {
            "": {"weight_main": 0.7, "weight_reconstruction": 0.2, "weight_alignment": 0.1},
            "her2st": {"weight_main": 0.7, "weight_reconstruction": 0.2, "weight_alignment": 0.1},
            "humanlung": {"weight_main": 0.4, "weight_reconstruction": 0.5, "weight_alignment": 0.1},
            "stnet": {"weight_main": 0.3, "weight_reconstruction": 0.6, "weight_alignment": 0.1},
        }
    },
    # two tokens a side: on her2st's 732 spots more epochs bring more than more pixels, and a fit stays under a minute
    presets={"quick": {"epochs": 15, "batch": 32}, "quick@full": {"patch_px": 32}},
)

_HIST2CELL = MethodCard(
    name="hist2cell",
    title="Hist2Cell: a graph transformer over each spot's neighbourhood",
    url="https://github.com/Weiqin-Zhao/Hist2Cell",
    licence="MIT (the authors' code; this is a clean-room implementation from its specification)",
    citation="Zhao et al. (2024), bioRxiv 2024.02.17.580852",
    build=_hist2cell,
    options=Hist2CellOptions,
    targets=_CONTINUOUS,
    unit="neighbourhood",
    encoder=EncoderSlot(
        default="resnet18",
        default_mode="full",
        modes=("full", "lora", "frozen"),
        scratch="resnet18.random",
    ),
    presets={"quick": {"epochs": 3, "part_spots": 32}, "quick@full": {"patch_px": 64}},
)

METHODS: tuple[MethodCard, ...] = (
    _MEAN,
    _POSITION,
    _COLOUR,
    _ORACLE,
    _RIDGE,
    _LINEAR,
    _MLP,
    _CUCA,
    _HIST2CELL,
)
"""Every method of this package; one line each."""
