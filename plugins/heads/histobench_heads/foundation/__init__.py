"""LinearProbing, MLP and FMMLP: predictions from image features only."""
