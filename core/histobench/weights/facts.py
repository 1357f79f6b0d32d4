"""How a file of weights was pretrained; `histobench pretrain` writes it into the file's header.

The header lists the patients that the encoder has seen, so that scores on them are marked. This module does not import
torch: cards are made from the header alone.
"""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from histobench.contracts.protocols import PatchGeometry
from histobench.errors import WeightsError
from histobench.results.scores import Model

__all__ = ["FACTS_KEY", "PretrainedFacts", "read_facts"]

FACTS_KEY = "histobench"
"""Name of the entry in the header of a safetensors file."""


class PretrainedFacts(Model):
    """How an encoder was pretrained, and on which slides.

    Attributes
    ----------
    asked
        Hash of the request, by which the same command finds the finished file.
    encoder
        Name of the card of its network.
    weights
        Hash of the initial weights; empty for random ones.
    patch
        The patches that it was given.
    slides
        Dataset → slide → patient, of this training.
    patients
        Patients that it has seen in this training and in earlier ones.
    seen
        Collections that it has seen: those on the card that it started from, and the datasets of this training.
    passes
        How often it has seen each patch.
    """

    asked: str
    encoder: str
    weights: str = ""
    method: str
    options: dict[str, Any]  # Any: JSON values
    patch: PatchGeometry
    slides: dict[str, dict[str, str]]
    patients: tuple[str, ...]
    seen: tuple[str, ...]
    seed: int
    batch: int
    n_patches: int
    steps: int
    passes: float
    seconds: float
    losses: tuple[float, ...] = ()
    versions: dict[str, str]


def read_facts(path: Path) -> PretrainedFacts:
    """Read the header of a file of weights.

    Raises
    ------
    WeightsError
        If it is damaged, or not made by ``histobench pretrain``.
    """
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(FACTS_KEY)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: the weights cannot be read: {error}; make them again.") from error
    if text is None:
        raise WeightsError(f"{path} does not describe its pretraining: `histobench pretrain` did not make it.")
    try:
        return PretrainedFacts.model_validate_json(text)
    except ValidationError as error:
        raise WeightsError(
            f"{path}: the description of its pretraining is of another version of histobench: {_first(error)}."
        ) from (error)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
