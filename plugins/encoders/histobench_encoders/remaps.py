"""Translate published files to timm's names, with one function per layout.

Names and their meaning: ``encoders.md`` of the specifications, sections 3 and 5. A translation changes names and shapes
only. The one exception adds the position of the class token to the token itself, as timm does for networks with
registers. Unknown keys are kept, so that strict loading reports them.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from histobench_encoders.entry import Format

__all__ = ["remap"]

State = Mapping[str, Tensor]


def remap(state: State, formats: Sequence[Format], *, projected: bool = False) -> dict[str, Tensor]:
    """Translate a published state dict by the first format that recognises a key, else by the last one.

    Parameters
    ----------
    projected
        True to keep the projection of an image–text model.
    """
    for name in formats:
        pattern, translate = _FORMATS[name]
        if name == formats[-1] or any(re.match(pattern, key) for key in state):
            translated = translate(state)
            if name == "hf-clip" and not projected:
                translated = {key: tensor for key, tensor in translated.items() if not key.startswith("head.")}
            return translated
    return dict(state)


def _renamed(state: State, rules: Sequence[tuple[str, str]], dropped: str) -> dict[str, Tensor]:
    """Rename keys by regular expressions, in order, and leave out keys that match ``dropped``."""
    renamed = {}
    for key, tensor in state.items():
        if re.match(dropped, key):
            continue
        new = key
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        renamed[new] = tensor
    return renamed


def _joined(state: State, pattern: str) -> dict[str, Tensor]:
    """Concatenate query, key and value, found by ``pattern``, into timm's single layer."""
    joined: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        found = re.fullmatch(pattern, key)
        if found is None:
            joined[key] = tensor
        else:
            block, letter, kind = found.groups()
            parts.setdefault(f"{block}attn.qkv.{kind}", {})[letter[0]] = tensor
    for key, three in parts.items():
        if set(three) == set("qkv"):
            joined[key] = torch.cat([three[letter] for letter in "qkv"])
    return joined


_HF = (
    (r"^(?:vit|dinov2|dinov2_with_registers)\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "register_tokens"),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"^layernorm\.", "norm."),
)
_HF_DROPPED = r"^(?:.*\.)?(?:pooler\.|embeddings\.mask_token$)|^classifier\.|^decoder\."
_HF_QKV = r"(blocks\.\d+\.)attention\.attention\.(query|key|value)\.(weight|bias)"


def _hf_vit(state: State) -> dict[str, Tensor]:
    rules = (
        *_HF,
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    )
    return _joined(_renamed(state, rules, _HF_DROPPED), _HF_QKV)


def _hf_dinov2(state: State) -> dict[str, Tensor]:
    rules = (
        *_HF,
        (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
        (r"\.mlp\.weights_in\.", ".mlp.fc1."),
        (r"\.mlp\.weights_out\.", ".mlp.fc2."),
    )
    return _folded(_joined(_renamed(state, rules, _HF_DROPPED), _HF_QKV))


def _dinov2(state: State) -> dict[str, Tensor]:
    rules = (
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # a training checkpoint stores its blocks in chunks
        (r"\.mlp\.w12\.", ".mlp.fc1."),
        (r"\.mlp\.w3\.", ".mlp.fc2."),
    )
    return _folded(_renamed(state, rules, r"^(?:mask_token$|dino_head|ibot_head)"))


def _folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add its position to the class token and rename the registers; without registers change nothing."""
    registers = state.pop("register_tokens", None)
    if registers is not None and {"cls_token", "pos_embed"} <= state.keys():
        positions = state["pos_embed"]
        state["cls_token"] = state["cls_token"] + positions[:, :1]
        state["pos_embed"] = positions[:, 1:]
        state["reg_token"] = registers
    return state


def _hf_clip(state: State) -> dict[str, Tensor]:
    rules = (
        (r"^vision_model\.", ""),
        (r"^embeddings\.patch_embedding\.", "patch_embed.proj."),
        (r"^embeddings\.class_embedding$", "cls_token"),
        (r"^embeddings\.position_embedding\.weight$", "pos_embed"),
        (r"^pre_layrnorm\.", "norm_pre."),  # sic
        (r"^post_layernorm\.", "norm."),
        (r"^encoder\.layers\.", "blocks."),
        (r"\.layer_norm([12])\.", r".norm\1."),
        (r"\.self_attn\.out_proj\.", ".attn.proj."),
        (r"^visual_projection\.", "head."),
    )
    dropped = r"^(?:text_model\.|text_projection\.|logit_scale$|vision_model\.embeddings\.position_ids$)"
    clip = _joined(_renamed(state, rules, dropped), r"(blocks\.\d+\.)self_attn\.([qkv])_proj\.(weight|bias)")
    if "cls_token" in clip:
        clip["cls_token"] = clip["cls_token"].reshape(1, 1, -1)
    if "pos_embed" in clip and clip["pos_embed"].ndim == 2:
        clip["pos_embed"] = clip["pos_embed"][None]
    if "head.weight" in clip:
        clip["head.bias"] = torch.zeros(len(clip["head.weight"]))  # CLIP's projection has none
    return clip


def _swin(state: State) -> dict[str, Tensor]:
    """Move patch merging to the start of the next stage, as in timm since 0.9."""
    rules: tuple[tuple[str, str], ...] = ()
    if any(key.startswith("layers.0.downsample.") for key in state):
        # from last to first, so that no key is moved twice
        rules = tuple((rf"^layers\.{i}\.downsample\.", f"layers.{i + 1}.downsample.") for i in (2, 1, 0))
    return _renamed(state, rules, r".*(?:attn_mask|relative_position_index)$|^head\.")


def _conch(state: State) -> dict[str, Tensor]:
    """Keep the image tower up to the contrastive embedding, without the caption pool, text tower and decoder."""
    named = {key.removeprefix("visual."): tensor for key, tensor in state.items()}
    return {key: t for key, t in named.items() if key.startswith(("trunk.", "attn_pool_contrast.", "ln_contrast."))}


_HUGGING_FACE = r"(?:\w+\.)?(?:embeddings\.|encoder\.layer\.)"

_FORMATS: Mapping[Format, tuple[str, Callable[[State], dict[str, Tensor]]]] = {
    "timm": ("", dict),
    "hf-vit": (_HUGGING_FACE, _hf_vit),
    "hf-dinov2": (_HUGGING_FACE, _hf_dinov2),
    "hf-clip": (r"vision_model\.", _hf_clip),
    "dinov2": ("", _dinov2),
    "swin": ("", _swin),
    "conch": ("", _conch),
}
