"""The card of StyleGAN-G and of the contrastive model before it."""

from dataclasses import replace

from histobench import MethodCard, PatchGeometry, Probe, lazy
from histobench_heads.clip_gan.options import ClipGanOptions, batches_of_ticks
from histobench_heads.frames.cards import FROZEN_SLOT
from histobench_heads.frames.clip.options import QUICK_CLIP

__all__ = ["CLIP_GAN"]


def _patch(options: ClipGanOptions) -> PatchGeometry:
    return PatchGeometry(patch_px=options.patch_px)


def _probes(options: ClipGanOptions) -> tuple[Probe, ...]:
    """Time an epoch of the contrastive model, and a pass of the generator; their number is independent of the spots."""
    batches = sum(batches_of_ticks(options))
    least = replace(options, epochs=None, clip_epochs=1, kimg=0.0, batch=options.micro_batch)
    a_pass = options.micro_batch / 1000
    return (
        Probe(options=replace(least, clip_epochs=2), less=least, times=options.epochs or options.clip_epochs),
        Probe(
            options=replace(least, kimg=2 * a_pass),
            less=replace(least, kimg=a_pass),
            times=batches * options.batch / options.micro_batch,
            grows=False,
        ),
    )


_FULL = {"channel_base": 65536, "channel_max": 2048, "res_blocks": 3}  # clip_gan, section 3.3

CLIP_GAN = MethodCard(
    name="clip-gan",
    title="CLIP of expression and histology; StyleGAN-G draws patches from expression",
    url="https://openreview.net/group?id=ICML.cc/2025/Workshop/GenBio",
    licence="Apache-2.0, parts NVIDIA's and non-commercial (the authors' code; this is a clean-room implementation)",
    citation="Lohmann, Valdeolivas & Vasiljevic (2025), ICML Workshop on Generative AI and Biology",
    build=lazy("histobench_heads.clip_gan.method:ClipGan"),
    options=ClipGanOptions,
    targets=("retrieve", "generate", "gene_expression"),
    patch=_patch,
    encoder=replace(FROZEN_SLOT, default="uni"),
    probes=_probes,
    starts_from=("start_from",),
    parameters={
        "CLIP, 18,248 genes, UNI, trained": 353_269_640,
        "synthesis, lite, 64 px": 65_503_523,
        "synthesis, lite, 128 px": 72_148_011,
        "synthesis, full, 64 px": 932_292_907,
        "mapping": 8_320,
    },
    convert=lazy("histobench_heads.clip_gan.conversion:convert_snapshot"),
    presets={
        "full": _FULL,
        # Minutes on one core: few channels, the encoder sees as many pixels as there are, and there is no blur. As
        # published, the condition is a hundredth of the noise in size and takes effect after millions of images; here
        # it is as large. Such a short training overshoots in contrast unless each patch is kept near its real one, and
        # guidance through random features misleads unless it is weak.
        "quick": {
            **QUICK_CLIP,
            "patch_px": 32, "feature_px": 32, "channel_base": 1024, "channel_max": 32, "res_blocks": 1,
            "condition_gain": 8.0, "batch": 16, "micro_batch": 16, "g_lr": 0.004, "d_lr": 0.004, "kimg": 2.5,
            "tick_kimg": 0.032, "clip_weight": 0.02, "rec_weight": 0.2, "blur_init": 2.0, "blur_fade_kimg": 1.0,
        },
    },
)  # fmt: skip
"""Retrieves and predicts expression by the contrastive model alone; generates patches by the generator after it."""
