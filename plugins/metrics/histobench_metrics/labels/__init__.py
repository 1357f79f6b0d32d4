"""Scores of class predictions, one class at a time, so that a label is scored like any other target.

A label arrives one-hot, one column a class; a prediction has one number per class, and the largest decides (the first,
where several are largest). Spots whose label is all zeros are not labelled and do not count.
"""
