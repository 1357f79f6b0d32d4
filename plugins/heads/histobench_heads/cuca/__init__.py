"""CUCA and CUCAMLP: cell-type abundances with a gene autoencoder beside the image while training."""
