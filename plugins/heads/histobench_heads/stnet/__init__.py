"""ST-Net: expression, or cell abundance, from one patch by a DenseNet that is trained whole."""
