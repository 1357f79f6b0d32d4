"""LinearProbing, MLP and FMMLP: how far image features alone go."""
