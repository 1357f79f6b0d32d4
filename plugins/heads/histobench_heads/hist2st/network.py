"""The Hist2ST network: patches, positions and nearby spots of one slide to predictions.

Written from the specification ``hist2st.md`` of Zeng et al. (2022), Briefings in Bioinformatics.
"""

from typing import NamedTuple

from torch import Tensor, nn
from typing_extensions import override

from histobench_heads.frames.slidewise.memory import in_chunks, recomputed
from histobench_heads.frames.transformer import Block
from histobench_heads.hist2st.modules import ConvMixer, GraphLayer, JumpingKnowledge, PatchEmbedding
from histobench_heads.hist2st.options import Hist2STOptions

__all__ = ["Hist2STNetwork", "Hist2STOutput"]


class Hist2STOutput(NamedTuple):
    """The output of the network for n spots.

    Attributes
    ----------
    values
        (n, t) predictions.
    counts
        Three times (n, t): outputs of the linear layers for mean, dispersion and zero share of the counts. Twice, size
        and odds, for the plain negative binomial. Empty without a likelihood.
    score
        (n, 1) weight of a distilled copy, before the softmax over copies; (n, 0) without distillation.
    """

    values: Tensor
    counts: tuple[Tensor, ...]
    score: Tensor


class Hist2STNetwork(nn.Module):
    """Map the patches, positions and neighbours of one slide to predictions.

    Parameters
    ----------
    n_targets
        Number t of targets.
    models_counts
        True to make the heads for the likelihood of the counts.
    """

    def __init__(self, n_targets: int, options: Hist2STOptions, *, models_counts: bool) -> None:
        super().__init__()
        self.options, dim = options, options.dim
        self.patch_embedding = PatchEmbedding(options)
        self.dropout = nn.Dropout(options.dropout)
        self.mixers = nn.ModuleList(ConvMixer(options.channels, kernel=options.kernel) for _ in range(options.mixers))
        self.down = nn.Sequential(nn.Conv2d(options.channels, options.channels // 8, 1), nn.Flatten())
        self.x_embed = nn.Embedding(options.n_pos, dim)
        self.y_embed = nn.Embedding(options.n_pos, dim)
        self.blocks = nn.ModuleList(
            Block(dim, heads=options.heads, hidden=dim, dropout=options.dropout) for _ in range(options.depth)
        )
        self.graph = nn.ModuleList(GraphLayer(dim, policy=options.policy) for _ in range(options.graph_layers))
        self.jumping = JumpingKnowledge(dim)
        self.gene_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, n_targets))
        named = {"zinb": ("mean", "disp", "pi"), "nb": ("hr", "hp")}[options.likelihood] if models_counts else ()
        self.counts = nn.ModuleDict({name: nn.Linear(dim, n_targets) for name in named})
        self.coef: nn.Module | None = None
        if options.weight_distilled:
            self.coef = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    @override
    def forward(self, patches: Tensor, positions: Tensor, edges: Tensor) -> Hist2STOutput:
        """Predict from (n, p, p, 3) uint8 patches, (n, 2) positions and (2, e) edges, source and target."""
        if self._saves_memory(len(patches)):
            embedded = in_chunks(self.patch_embedding, patches, spots=self.options.chunk_spots)
        else:
            embedded = self.patch_embedding(patches)
        hidden = self.embed(embedded, positions, edges)
        return Hist2STOutput(
            values=self.gene_head(hidden),
            counts=tuple(head(hidden) for head in self.counts.values()),
            score=hidden[:, :0] if self.coef is None else self.coef(hidden),
        )

    def embed(self, embedded: Tensor, positions: Tensor, edges: Tensor) -> Tensor:
        """Turn (n, c, s, s) embedded patches into (n, dim), the input of every head."""
        maps = self.dropout(embedded)
        for mixer in self.mixers:
            maps = self._stage(mixer, maps)
        placed = self._stage(self.down, maps) + self.x_embed(positions[:, 0]) + self.y_embed(positions[:, 1])
        for block in self.blocks:
            placed = self._stage(block, placed)
        layers: list[Tensor] = []
        for layer in self.graph:
            layers.append(self._stage(layer, layers[-1] if layers else placed, edges))
        return self._stage(self.jumping, *layers)

    def _stage(self, stage: nn.Module, *inputs: Tensor) -> Tensor:
        """Run one stage over all spots together, as batch normalisation requires."""
        if self._saves_memory(len(inputs[0])):
            return recomputed(stage, *inputs)
        out: Tensor = stage(*inputs)
        return out

    def _saves_memory(self, n_spots: int) -> bool:
        copies = self.options.copies if self.options.weight_distilled else 0  # held in memory at the same time
        return n_spots * (1 + copies) > self.options.recompute_above
