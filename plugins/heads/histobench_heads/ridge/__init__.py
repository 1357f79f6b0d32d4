"""Ridge regression from the embeddings of a frozen encoder."""
