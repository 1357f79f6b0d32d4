"""From records to standings: who is better, by how much, over which patients, and is it real.

*What is averaged.* Folds and seeds of one configuration: method, encoder and how it was trained, options, precision,
weights and the revisions of their cards. Device and threads move the last digits only, so jobs from different
machines are averaged, too.

*What is ranked together.* Jobs on one dataset, target, scheme and edition, with one revision of dataset and metric.
Panels: a panel fixed from outside must be the same throughout; a panel fitted on each fold's training slides differs
from fold to fold by design, so there it must be the same within each fold, as must the fold's test slides. Whatever
disagrees goes to a board of its own.

*The order of averaging.* Per slide: mean over targets, undefined ones left out and counted; mean over seeds; mean
over a patient's slides; mean over patients. A metric with named columns gives its headline column, or their mean.

*What is claimed.* Scores and differences have bootstrap-t intervals over patients (`resampling`). Differences are
tested by sign-flips on the patients that both methods were tested on, with Wilcoxon's test and effect sizes beside, and
Holm's correction over every comparison of the board (`paired`, `comparisons`). Ranks have intervals from resampled
patients, and letters say who is not told apart (`ranking`). Boards are brought together by mean normalised skill and
mean rank (`across`).
"""

from histobench.results.statistics.across import Across, AcrossRow, across
from histobench.results.statistics.boards import ALPHA, Board, Comparison, Ground, Standing
from histobench.results.statistics.remarks import ceiling_told, gallery_told, task_told
from histobench.results.statistics.resampling import FEW_UNITS, LEVEL, Interval, mean_intervals
from histobench.results.statistics.rows import across_rows, pair_rows, rows
from histobench.results.statistics.standings import standings

__all__ = [
    "ALPHA",
    "FEW_UNITS",
    "LEVEL",
    "Across",
    "AcrossRow",
    "Board",
    "Comparison",
    "Ground",
    "Interval",
    "Standing",
    "across",
    "across_rows",
    "ceiling_told",
    "gallery_told",
    "mean_intervals",
    "pair_rows",
    "rows",
    "standings",
    "task_told",
]
