"""From records to boards: which method is better, by how much, over which patients, and whether it is significant.

*What is averaged.* Folds and seeds of one configuration: method, encoder and training mode, options, precision, weights
and the revisions of their cards. Jobs from different machines are averaged too, because device and threads change only
the last digits.

*What is ranked together.* Jobs on one dataset, target, scheme and edition, with one revision of dataset and metric.
A fixed panel must be the same in all jobs. A panel fitted on each fold's training slides differs between folds, so it
must be the same within each fold, as must the fold's test slides. Jobs that disagree are on separate boards.

*The order of averaging* (`averages`). Per slide: mean over targets, undefined ones left out and counted; then the mean
over seeds, over a patient's slides, and over patients. A metric with named columns is read by its headline column, or
their mean.

*What is claimed.* Scores and differences have bootstrap-t intervals over patients (`resampling`). Differences are
tested by sign flips on the patients that both methods were tested on, together with Wilcoxon's test and effect sizes,
with Holm's correction over every comparison of the board (`paired`, `comparisons`). Ranks have intervals from resampled
patients, and letters mark methods that do not differ significantly (`ranking`). Boards are combined by mean normalised
skill and mean rank (`across`).
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
