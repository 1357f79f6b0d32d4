"""Embed whole datasets before a study: slides are shared among workers, and those in the cache are left alone.

A worker takes a few slides at a time. While it embeds one, it decodes the image of the next and cuts its patches.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from histobench.cache import Cache
from histobench.contracts.cards import DatasetCard, EncoderCard, EncoderSlot
from histobench.contracts.encoder_card import Precision
from histobench.contracts.protocols import Dataset, Encoder, Executor, SlideImage
from histobench.contracts.registry import Registry
from histobench.data import SpotTable
from histobench.errors import ConfigError, did_you_mean, explain
from histobench.images import is_upsampled
from histobench.images.embedding import Compute, has_embeddings, slide_embeddings, slide_patches
from histobench.results.provenance import limit_threads
from histobench.study.config import RunConfig
from histobench.study.executors import in_turn
from histobench.study.samples import open_dataset, open_encoder
from histobench.study.selection import asked_datasets, asked_targets
from histobench.weights.slots import asked_encoder

__all__ = ["Embedded", "Extraction", "Part", "embed_datasets", "plan_extraction"]

SLIDES_A_PART = 8
"""Slides that a worker takes at a time: few enough to share them evenly, but several, to prepare one while another
is embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Slides of one dataset for one encoder, embedded by one worker."""

    encoder: str
    dataset: str
    target: str
    slides: tuple[str, ...]
    precision: Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The outcome for one slide.

    Attributes
    ----------
    was_there
        True if its embeddings were in the cache already.
    notes
        Warnings, such as that the slide was enlarged.
    error
        Why the slide was not embedded; empty if it was.
    """

    encoder: str
    dataset: str
    slide: str
    n_spots: int = 0
    seconds: float = 0.0
    was_there: bool = False
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """How slides are embedded; it is sent to worker processes. The precision is that of each part.

    Attributes
    ----------
    threads
        CPU threads that torch uses in one worker.
    allow_upsampling
        True to enlarge slides that are coarser than the encoder needs.
    """

    registry: Registry
    how: Compute
    threads: int = 1
    data_root: Path | None = None
    allow_upsampling: bool = False

    def embed(self, part: Part) -> tuple[Embedded, ...]:
        """Embed the slides of a part, one after another; one that cannot be embedded costs only itself."""
        with limit_threads(self.threads):
            return tuple(_embed_slides(part, self))


def plan_extraction(config: RunConfig, registry: Registry) -> list[Part]:
    """Divide the slides of a study's datasets into parts, one encoder after another.

    Parameters
    ----------
    config
        Its device must not be ``auto``.

    Raises
    ------
    HistobenchError
        If an encoder, dataset or target does not exist, or the weights of an encoder are not available.
    """
    if not config.encoders:
        raise ConfigError("no encoder is given: use --encoders NAME[,NAME]; see `histobench list encoders`.")
    encoders = [_frozen(registry, name) for name in config.encoders]
    datasets = asked_datasets(config, registry)
    return [part for card in encoders for dataset in datasets for part in _parts(config, card, dataset)]


def embed_datasets(parts: Sequence[Part], extraction: Extraction, executor: Executor | None) -> Iterator[Embedded]:
    """Embed every slide that is not in the cache, in this process without an executor; yield each slide's outcome."""
    with closing(in_turn(parts)) as here:
        for done in executor.run(parts, extraction.embed, _died) if executor else map(extraction.embed, here):
            yield from done


def _embed_slides(part: Part, extraction: Extraction) -> Iterator[Embedded]:
    registry = extraction.registry
    geometry = registry.encoders.get(part.encoder).geometry
    encoder = open_encoder(registry, part.encoder, replace(geometry, upsampling=extraction.allow_upsampling))
    dataset = open_dataset(registry, part.dataset, extraction.data_root)
    how = replace(extraction.how, precision=part.precision)
    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(_prepare, part, dataset, encoder, how, part.slides[0])
        for slide, after in zip(part.slides, (*part.slides[1:], None), strict=True):
            this = following
            if after is not None:
                following = ahead.submit(_prepare, part, dataset, encoder, how, after)
            result = Embedded(encoder=part.encoder, dataset=part.dataset, slide=slide)
            try:
                yield _embed(result, *this.result(), encoder=encoder, how=how)
            except Exception as error:  # noqa: BLE001 -- a third-party dataset or encoder may raise anything
                yield replace(result, error=explain(error))


def _prepare(
    part: Part, dataset: Dataset, encoder: Encoder, how: Compute, slide_id: str
) -> tuple[SpotTable, SlideImage, bool]:
    """Cut a slide's patches, unless its embeddings are in the cache; return also whether they are."""
    slide = next(slide for slide in dataset.slides(part.target) if slide.id == slide_id)
    table, image = dataset.table(slide, part.target), dataset.image(slide)
    was_there = has_embeddings(Cache(), encoder, image, table, name=part.encoder, how=how)
    refused = is_upsampled(encoder.geometry, slide.mpp) and not encoder.geometry.upsampling
    if not was_there and not refused:
        slide_patches(Cache(), image, table, encoder.geometry, workers=how.workers)
    return table, image, was_there


def _embed(
    result: Embedded, table: SpotTable, image: SlideImage, was_there: bool, *, encoder: Encoder, how: Compute
) -> Embedded:
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        slide_embeddings(Cache(), encoder, image, table, name=result.encoder, how=how)
    return replace(
        result,
        n_spots=len(table.spot_ids),
        seconds=time.perf_counter() - begun,
        was_there=was_there,
        notes=tuple(dict.fromkeys(str(warning.message) for warning in caught)),
    )


def _died(part: Part, cause: str) -> tuple[Embedded, ...]:
    failed = Embedded(encoder=part.encoder, dataset=part.dataset, slide="", error=cause)
    return tuple(replace(failed, slide=slide) for slide in part.slides)


def _frozen(registry: Registry, name: str) -> EncoderCard:
    plain, _, mode = name.partition("@")
    if mode not in ("", "frozen"):
        raise did_you_mean("mode of an encoder that is embedded with", mode, ["frozen"])
    choice = asked_encoder(registry, EncoderSlot(default=plain, default_mode="frozen", modes=("frozen",)), plain)
    if isinstance(choice, str):
        raise ConfigError(f"encoder {name!r} cannot be embedded with: {choice}.")
    return choice.card


def _parts(config: RunConfig, card: EncoderCard, dataset: DatasetCard) -> Iterator[Part]:
    precision = config.precision_of(card.precision, config.device)
    for target in asked_targets(config, dataset):
        slides = [slide.id for slide in dataset.build(config.data_root).slides(target.name)]
        size = max(1, min(SLIDES_A_PART, -(-len(slides) // config.workers)))
        for first in range(0, len(slides), size):
            these = tuple(slides[first : first + size])
            names = {"encoder": card.name, "dataset": dataset.name, "target": target.name}
            yield Part(**names, slides=these, precision=precision)
