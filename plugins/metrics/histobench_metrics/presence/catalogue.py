"""Cards of presence, dominance and zeros."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import amount, expression
from histobench_metrics.presence.columns import PUBLISHED

__all__ = ["CARDS"]

_amount_share = partial(amount, higher_is_better=True, lowest=0.0, highest=1.0)
_hist2scrna_share = partial(
    expression, higher_is_better=True, lowest=0.0, highest=1.0, citation="hist2scRNA; expression protocol, section 9"
)

CARDS = (
    _amount_share(
        name="auroc",
        title="area under the ROC of presence (above zero) by predicted amount",
        build=lazy_value("histobench_metrics.presence.auroc:auroc"),
        citation="Hanley & McNeil (1982), Radiology 143:29-36",
        undefined="target present everywhere or nowhere",
    ),
    _amount_share(
        name="auprc",
        title="average precision of finding the spots where a target is present (above zero)",
        build=lazy_value("histobench_metrics.presence.auprc:auprc"),
        citation="Davis & Goadrich (2006), ICML, 233-240",
        undefined="target present everywhere or nowhere",
    ),
    _amount_share(
        name="top1",
        title="share of spots whose most abundant target is predicted to be the most abundant",
        build=lazy_value("histobench_metrics.presence.top:top1"),
        citation="Russakovsky et al. (2015), Int. J. Comput. Vis. 115:211-252 (top-k)",
        view="spot",
        columns=("share of spots",),
        undefined="one target, or no spot with differing ones",
    ),
    _amount_share(
        name="top3",
        title="share of spots whose most abundant target is predicted among the first three",
        build=lazy_value("histobench_metrics.presence.top:top3"),
        citation="Russakovsky et al. (2015), Int. J. Comput. Vis. 115:211-252 (top-k)",
        view="spot",
        columns=("share of spots",),
        undefined="three targets or fewer, or no spot with differing ones",
    ),
    expression(
        name="zero-rate-difference",
        title="absolute difference of the predicted and observed share of zeros (threshold 0.5 or less)",
        build=lazy_value("histobench_metrics.presence.zeros:zero_rate_difference"),
        citation="hist2scRNA; expression protocol, section 9",
        higher_is_better=False,
        lowest=0.0,
        highest=1.0,
        gamed_by="as many zeros, wherever they lie",
        undefined="no spots",
    ),
    _hist2scrna_share(
        name="zero-accuracy",
        title="share of spots correctly predicted to express a gene or not (threshold 0.5 or less)",
        build=lazy_value("histobench_metrics.presence.zeros:zero_accuracy"),
        gamed_by="all or nothing, by what is more frequent",
        undefined="no spots",
    ),
    _hist2scrna_share(
        name="zero-sensitivity",
        title="share of the spots expressing a gene that are predicted to (threshold 0.5 or less)",
        build=lazy_value("histobench_metrics.presence.zeros:zero_sensitivity"),
        gamed_by="predicting every gene everywhere",
        undefined="gene nowhere expressed",
    ),
    _hist2scrna_share(
        name="zero-specificity",
        title="share of the spots without a gene that are predicted without (threshold 0.5 or less)",
        build=lazy_value("histobench_metrics.presence.zeros:zero_specificity"),
        gamed_by="predicting nothing anywhere",
        undefined="gene expressed everywhere",
    ),
    _hist2scrna_share(
        name="zero-f1",
        title="F1 of expressing a gene at all (threshold 0.5 or less)",
        build=lazy_value("histobench_metrics.presence.zeros:zero_f1"),
        gamed_by="predicting every gene everywhere",
        undefined="gene neither expressed nor predicted",
    ),
    expression(
        name="nonzero-mae",
        title="mean absolute error over the spots that express a gene",
        build=lazy_value("histobench_metrics.presence.zeros:mae_of_nonzeros"),
        citation="hist2scRNA; expression protocol, section 9",
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        gamed_by="the mean of the spots that express a gene, everywhere",
        undefined="gene nowhere expressed",
    ),
    _hist2scrna_share(
        name="zero-inflation[hist2scrna]",
        title="detection of zeros over all values, both sides compared with 0.5, as hist2scRNA",
        build=lazy_value("histobench_metrics.presence.zeros:published_zero_inflation"),
        view="slide",
        columns=PUBLISHED,
        headline=PUBLISHED[0],
        gamed_by="all or nothing, by what is more frequent",
        undefined="no spots; 0, as published, where a part is undefined",
    ),
)
"""The metrics of this family."""
