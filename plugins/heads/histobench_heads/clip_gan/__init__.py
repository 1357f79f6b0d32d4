"""StyleGAN-G: draws patches from expression by a generator trained against frozen features of an encoder."""
