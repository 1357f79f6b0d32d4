"""CUCA and CUCAMLP: cell-type abundances with a gene autoencoder as a companion in training."""
