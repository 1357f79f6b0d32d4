"""Ridge regression on the embeddings of a frozen encoder."""
