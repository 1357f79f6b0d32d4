"""From records to standings: who is better, by how much, over which patients, and is it real.

*What is averaged.* Folds and seeds of one configuration: method, encoder and how it was trained, options, precision,
weights and the revisions of their cards. Device and threads move the last digits only, so jobs from different
machines are averaged, too.

*What is ranked together.* Jobs on one dataset, target, scheme and edition, with one revision of dataset and metric.
Panels: a panel fixed from outside must be the same throughout; a panel fitted on each fold's training slides differs
from fold to fold by design, so there it must be the same within each fold, as must the fold's test slides. Whatever
disagrees goes to a board of its own.

*The order of averaging.* Per slide: mean over targets, undefined ones left out and counted; mean over seeds; mean
over a patient's slides; mean over patients.
"""

from histobench.statistics.boards import Board, Comparison, Ground, Standing
from histobench.statistics.resampling import FEW_UNITS, LEVEL, Interval, mean_intervals
from histobench.statistics.rows import pair_rows, rows
from histobench.statistics.standings import standings

__all__ = [
    "FEW_UNITS",
    "LEVEL",
    "Board",
    "Comparison",
    "Ground",
    "Interval",
    "Standing",
    "mean_intervals",
    "pair_rows",
    "rows",
    "standings",
]
