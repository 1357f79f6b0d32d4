"""Pretrains an encoder as requested and writes its weights with a header on how they were made."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from safetensors.torch import save_file
from torch import Tensor, nn

from histobench.contracts.cards import DatasetCard, EncoderCard
from histobench.contracts.protocols import FitContext, PatchGeometry, Report, TrainableEncoder
from histobench.errors import ConfigError, WeightsError
from histobench.files import remove_leftovers, replacing
from histobench.results.provenance import versions
from histobench.training import seeded
from histobench.training.adapters import tuned_encoder
from histobench.weights.facts import FACTS_KEY, PretrainedFacts, read_facts
from histobench.weights.locate import weights_hash
from histobench.weights.pretraining.corpus import Choice, Corpus, read_corpus
from histobench.weights.pretraining.loop import Budget, Passed, train_objective
from histobench.weights.pretraining.objectives import make_objective
from histobench.weights.pretraining.options import OPTIONS, Options

__all__ = ["Asked", "PretrainableEncoder", "make_weights"]

_AT_ONCE = 256  # patches read together; decides memory, never a value


@runtime_checkable
class PretrainableEncoder(TrainableEncoder, Protocol):
    """An encoder that can save its trained network to a file that it loads again."""

    def weights_of(self, module: nn.Module) -> Mapping[str, Tensor]:
        """Return the weights of a trained `module` in the format of the file that this encoder loads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request for a pretraining.

    Attributes
    ----------
    patch_px
        Side of the patches; ``None`` takes the encoder's own.
    seed, device, precision
        As in `histobench.FitContext`.
    """

    encoder: EncoderCard
    datasets: tuple[DatasetCard, ...]
    options: Options
    budget: Budget
    choice: Choice = field(default_factory=Choice)
    patch_px: int | None = None
    data_root: Path | None = None
    seed: int = 0
    device: str = "cpu"
    precision: str = "32-true"

    @property
    def method(self) -> str:
        """The objective's name."""
        return next(name for name, kind in OPTIONS.items() if isinstance(self.options, kind))

    @property
    def geometry(self) -> PatchGeometry:
        """The patches that the encoder is given."""
        own = self.encoder.geometry
        return own if self.patch_px is None else replace(own, patch_px=self.patch_px)


def make_weights(
    asked: Asked,
    out: Path,
    *,
    report: Report = lambda _epoch, _numbers: None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> PretrainedFacts:
    """Pretrain an encoder and write its weights; a finished file is kept, and a killed training resumes.

    Parameters
    ----------
    out
        The safetensors file. During training, a folder next to it holds the checkpoint.
    report
        Receives the numbers of every epoch.
    tell
        Receives messages for the user.

    Raises
    ------
    ConfigError
        If the encoder cannot be pretrained in this way.
    WeightsError
        If ``out`` exists and does not hold the weights of this pretraining.
    """
    encoder = asked.encoder.build(asked.geometry)
    if not isinstance(encoder, PretrainableEncoder):
        raise ConfigError(f"encoder {asked.encoder.name!r} cannot be pretrained: it cannot export trained weights.")
    beginning = asked.encoder.find_weights() if asked.encoder.find_weights else None
    beginning_hash = weights_hash(beginning) if beginning else ""
    corpus = read_corpus(asked.datasets, asked.choice, geometry=encoder.geometry, data_root=asked.data_root, tell=tell)
    identity = _identity(asked, corpus, beginning_hash)
    done = _done(out, identity)
    if done is not None:
        tell(f"{out} is the result of this pretraining already.")
        return done
    context = FitContext(
        seed=asked.seed,
        device=asked.device,
        precision=asked.precision,
        mode="full",
        encoder=encoder,
        resume=out.with_name(f"{out.name}.unfinished"),
        report=report,
    )
    kept, passed = _train(asked, corpus, identity, context, is_new=beginning is None)
    before = read_facts(beginning) if beginning is not None and asked.encoder.pretrained_patients else None
    facts = _facts(asked, corpus, passed, identity=identity, weights=beginning_hash, before=before)
    _write(out, encoder.weights_of(kept), facts)
    _forget(context.resume)
    return facts


def _train(
    asked: Asked, corpus: Corpus, identity: str, context: FitContext, *, is_new: bool
) -> tuple[nn.Module, Passed]:
    with seeded(asked.seed):
        module = tuned_encoder(context)
        dim = context.encoder.dim if context.encoder else 0
        objective = make_objective(asked.options, module, dim, is_new=is_new)
    passed = train_objective(
        objective, corpus.patches, options=asked.options, budget=asked.budget, asked=identity, context=context
    )
    return objective.kept, passed


def _identity(asked: Asked, corpus: Corpus, beginning: str) -> str:
    decides = {
        "encoder": asked.encoder.name,
        "weights": beginning,
        "method": asked.method,
        "options": asdict(asked.options),
        "budget": asdict(asked.budget),
        "patch": asdict(asked.geometry),
        "slides": corpus.slides,
        "pixels": _pixels(corpus),
        "seed": asked.seed,
        "precision": asked.precision,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def _pixels(corpus: Corpus) -> str:
    # files of the same names may hold other pixels
    digest = hashlib.sha256()
    for start in range(0, len(corpus.patches), _AT_ONCE):
        digest.update(corpus.patches[start : start + _AT_ONCE].tobytes())
    return digest.hexdigest()


def _done(out: Path, identity: str) -> PretrainedFacts | None:
    if not out.exists():
        return None
    facts = read_facts(out)
    if facts.asked != identity:
        raise WeightsError(f"{out} holds another pretraining ({facts.method} of {facts.encoder!r}); name another file.")
    return facts


def _facts(
    asked: Asked, corpus: Corpus, passed: Passed, *, identity: str, weights: str, before: PretrainedFacts | None
) -> PretrainedFacts:
    """Describe how the weights were made; patients seen ``before`` by the initial weights are included."""
    n = len(corpus.patches)
    return PretrainedFacts(
        asked=identity,
        encoder=before.encoder if before else asked.encoder.name,
        weights=weights,
        method=asked.method,
        options=asdict(asked.options),
        patch=asked.geometry,
        slides=corpus.slides,
        seen=tuple(dict.fromkeys((*(asked.encoder.pretrained_on or ()), *corpus.slides))),
        patients=tuple(sorted({*(before.patients if before else ()), *_patients(corpus)})),
        seed=asked.seed,
        batch=asked.budget.batch,
        n_patches=n,
        steps=passed.steps,
        passes=round(passed.steps * min(asked.budget.batch, n) / n, 3),
        seconds=round(passed.seconds, 1),
        losses=tuple(passed.losses),
        versions=versions(),
    )


def _patients(corpus: Corpus) -> set[str]:
    return {patient for slides in corpus.slides.values() for patient in slides.values()}


def _write(out: Path, weights: Mapping[str, Tensor], facts: PretrainedFacts) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out.parent)
    # clones, because safetensors refuses tensors that share memory
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
    with replacing(out) as partial:
        save_file(state, partial, metadata={FACTS_KEY: facts.model_dump_json()})


def _forget(folder: Path | None) -> None:
    for file in folder.iterdir() if folder is not None and folder.exists() else ():
        file.unlink()
    if folder is not None and folder.exists():
        folder.rmdir()
