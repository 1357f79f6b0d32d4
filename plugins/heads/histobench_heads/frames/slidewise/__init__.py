"""What HisToGene, Hist2ST and THItoGene share: a module that reads one whole slide at a time, and its training."""
