"""Retrieval between images and expression by a contrastive model, and expression predicted by retrieval.

Written from the specification ``clip_gan.md``, sections 1, 2 and 8, and from Lohmann, Valdeolivas and Vasiljevic
(2025); the authors' code was not consulted. For ``retrieve``, the method returns two vectors in one space for every
spot: that of its image and that of its expression. For ``gene_expression``, it averages the expression of the training
spots whose expression is nearest to the patch, weighted by a softmax of the cosines. Only training spots are retrieved,
and they are from other patients than the predicted ones.

Differences from the published method
-------------------------------------
* Features are computed once, from patches in the geometry of the encoder; published: in every step, from patches of
  128 pixels, mirrored and with jittered colours. Dropout is the only noise left.
* Prompts and test spots are scaled to the median total of the training slides, so that the vector of a spot does not
  depend on other spots; published: to the median of their own file. Each training slide is scaled to its own median,
  as published.
* The loss on validation slides is computed once an epoch over the same batches; published: every ten steps over
  reshuffled batches.
* The temperature option is used; published: it is ignored, which equals the default of 1 here.
* For gene expression, methods receive no counts: the model reads the targets themselves, in their unit, and the panel
  is its vocabulary.
* Predicting expression from the retrieved spots is ours: the publication retrieves nothing.

References
----------
Lohmann, Valdeolivas & Vasiljevic (2025), *ICML Workshop on Generative AI and Biology*.
"""

from pathlib import Path

from typing_extensions import override

from histobench import ConfigError, Counts, FitContext, Float, LabelledSamples, Method, Pairing, Prediction, Samples
from histobench.training import load_weights, save_weights, seeded
from histobench_heads.frames.clip.fitting import Pairs, embed_genes, embed_images, fit_clip
from histobench_heads.frames.clip.memory import Memory
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.options import RetrievalOptions
from histobench_heads.frames.clip.reader import ClipReader
from histobench_heads.frames.clip.vocabulary import Vocabulary
from histobench_heads.frames.saved import read_arrays, read_facts, write_arrays, write_facts

__all__ = ["ClipRetrieval"]

_WEIGHTS = "weights.safetensors"
_WHO = "CLIP"


class ClipRetrieval(Method):
    """Retrieve the image of a spot by its expression and vice versa, or predict expression from retrieved spots.

    Attributes
    ----------
    model, vocabulary
        What was learned; ``None`` before a fit.
    """

    def __init__(self, options: RetrievalOptions) -> None:
        self.options = options
        self.model: GeneClip | None = None
        self.vocabulary: Vocabulary | None = None
        self._memory: Memory | None = None

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        predicts = train.targets.kind == "gene_expression"
        if predicts:
            self.vocabulary = Vocabulary(names=train.targets.names)
        else:
            self.vocabulary = Vocabulary.of(train.need_counts(_WHO), train.slide_ids, self.options)
        pairs = _pairs(train, self.vocabulary)
        validation = None if val is None else _pairs(val, self.vocabulary)
        self.model = fit_clip(*pairs, options=self.options, context=context, validation=validation)
        self._memory = None
        if predicts:
            vectors = embed_genes(self.model, pairs.expression)
            self._memory = Memory(names=train.targets.names, vectors=vectors, values=train.targets.values)

    @override
    def predict(self, samples: Samples) -> Prediction | Pairing:
        model, _ = self._made()
        image = embed_images(model, samples.need_embeddings(_WHO))
        if self._memory is None:
            return Pairing(image=image, expression=self.prompts(samples.need_counts(_WHO)))
        options = self.options
        values = self._memory.recall(image, k=options.retrieval_k, temperature=options.retrieval_temperature)
        return Prediction(names=self._memory.names, values=values)

    def prompts(self, counts: Counts) -> Float:
        """Embed raw counts (n, g), genes by their names: (n, latent) of length 1."""
        model, vocabulary = self._made()
        return embed_genes(model, vocabulary.read(counts))

    def gene_reader(self) -> ClipReader:
        """Return the gene branch, for the attribution of profiles to genes."""
        return ClipReader(*self._made())

    @override
    def save(self, folder: Path) -> None:
        model, vocabulary = self._made()
        width = model.image_projection.projection.in_features
        write_facts(folder, {"image_dim": width, "remembers": self._memory is not None, **vocabulary.as_facts()})
        save_weights(model, folder / _WEIGHTS)
        if self._memory is not None:
            write_arrays(folder, self._memory.as_arrays())

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = read_facts(folder)
        self.vocabulary = Vocabulary.from_facts(facts)
        with seeded(context.seed):  # replaced by the saved weights
            self.model = GeneClip(len(self.vocabulary.names), facts["image_dim"], self.options).to(context.device)
        load_weights(self.model, folder / _WEIGHTS)
        self.model.eval()
        self._memory = Memory.from_arrays(read_arrays(folder)) if facts["remembers"] else None

    def _made(self) -> tuple[GeneClip, Vocabulary]:
        if self.model is None or self.vocabulary is None:
            raise ConfigError("this method has learned nothing yet; fit or load it first.")
        return self.model, self.vocabulary


def _pairs(samples: LabelledSamples, vocabulary: Vocabulary) -> Pairs:
    """Pair the features and the expression of spots; if expression is the target, it replaces the counts."""
    if samples.targets.kind == "gene_expression":
        return Pairs(samples.need_embeddings(_WHO), samples.targets.values)
    return Pairs(samples.need_embeddings(_WHO), vocabulary.read(samples.need_counts(_WHO), samples.slide_ids))
