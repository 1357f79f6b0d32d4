"""ST-Net: expression, or cell abundance, from one patch by a DenseNet of which every layer is trained."""
