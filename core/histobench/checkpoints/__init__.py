"""Published checkpoints, converted: one safetensors file that says of itself what it predicts and how it was made.

Planning reads headers, without torch: `files`. Conversion reads strangers' files, with it: `foreign` and `conversion`.
"""

from histobench.checkpoints.files import Checkpoint, Header, open_checkpoint

__all__ = ["Checkpoint", "Header", "open_checkpoint"]
