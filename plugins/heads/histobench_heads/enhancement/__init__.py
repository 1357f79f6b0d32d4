"""Controls of enhancement: the counts themselves, the mean of neighbours, and few principal components."""
