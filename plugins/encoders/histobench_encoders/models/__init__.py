"""The records of the models, a file a family; adding a model is adding one record."""
