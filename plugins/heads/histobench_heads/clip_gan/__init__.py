"""StyleGAN-G: patches drawn from expression by a generator that learns against frozen features of an encoder."""
