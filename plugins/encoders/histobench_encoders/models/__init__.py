"""The records of the models, one file per family; to add a model, add a record."""
