"""hist2RNA: bulk expression of many spots from the mean of their embeddings.

`options` can be imported without torch; `method` trains the head on bags and predicts spots or bags.
"""
