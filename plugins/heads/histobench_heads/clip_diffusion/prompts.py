"""The prompts of the denoising network: an embedding, padded and repeated (``diffusion.md``, section 2)."""

from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import ShapeError
from histobench_heads.clip_diffusion.options import NetworkOptions

__all__ = ["Prompts", "pad_prompts"]


def pad_prompts(vectors: Tensor, *, width: int = 768, n_tokens: int = 77, pad_value: float = 1.0) -> Tensor:
    """Pad (p, d) embeddings on both sides and repeat them: (p, n_tokens, width).

    The right side gets the odd remainder.

    Raises
    ------
    ShapeError
        If an embedding is wider than a prompt.
    """
    d = vectors.shape[1]
    if d > width:
        raise ShapeError(
            f"an embedding must have at most {width} numbers to be a prompt, got {d}: it would be cropped."
        )
    left = (width - d) // 2
    padded = functional.pad(vectors, (left, width - d - left), value=pad_value)
    return padded[:, None].expand(-1, n_tokens, -1)


class Prompts(nn.Module):
    """Map embeddings (p, d) to prompts (p, n_tokens, width), by padding or by a trained layer."""

    def __init__(self, dim: int, options: NetworkOptions) -> None:
        super().__init__()
        self._options = options
        self.linear = nn.Linear(dim, options.prompt_width) if options.projection == "linear" else nn.Identity()

    @override
    def forward(self, vectors: Tensor) -> Tensor:
        options = self._options
        return pad_prompts(
            self.linear(vectors), width=options.prompt_width, n_tokens=options.n_tokens, pad_value=options.pad_value
        )
