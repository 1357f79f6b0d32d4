"""Generated patches compared with real ones: quality, variety, and whether they show what was asked for.

All metrics here read the features of generated and real patches in the context. Unless their docstring mentions them,
they check the shapes of `predicted` and `observed` and do not read their values.
"""
