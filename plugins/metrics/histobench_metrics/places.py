"""An order of the spots that does not depend on their order in the table."""

import numpy as np

from histobench import Int, ScoreContext

__all__ = ["by_place"]


def by_place(context: ScoreContext, /) -> Int:
    """Order the n spots by slide, then by place: (n,) int64.

    Clusters and random subsets depend on the order of the spots; scores must not.
    """
    order: Int = np.lexsort((context.xy_um[:, 1], context.xy_um[:, 0], context.slide_ids))
    return order
