"""Everything made from finished jobs: analyses, maps, generated patches, AnnData files, MLflow runs."""
