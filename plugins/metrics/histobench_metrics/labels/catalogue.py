"""Cards of classes of spots."""

from functools import partial

from histobench import lazy, lazy_value
from histobench_metrics.cards import label

__all__ = ["CARDS"]

_share = partial(label, higher_is_better=True, lowest=0.0, highest=1.0)

CARDS = (
    _share(
        name="recall",
        title="recall of each class; the mean over classes is the balanced accuracy",
        build=lazy_value("histobench_metrics.labels.recall:recall"),
        citation="Brodersen et al. (2010), ICPR, 3121-3124",
        ranks=True,
        undefined="class without a spot",
    ),
    _share(
        name="f1",
        title="F1 of each class; the mean over classes is the macro F1",
        build=lazy_value("histobench_metrics.labels.f1:f1"),
        citation="Sokolova & Lapalme (2009), Inf. Process. Manag. 45:427-437",
        undefined="class neither present nor predicted",
    ),
    _share(
        name="precision",
        title="share of the spots given a class that are of it",
        build=lazy_value("histobench_metrics.labels.precision:precision"),
        citation="Sokolova & Lapalme (2009), Inf. Process. Manag. 45:427-437",
        gamed_by="naming a class only where it is certain",
        undefined="class given to no spot",
    ),
    _share(
        name="accuracy",
        title="share of labelled spots that are given their class",
        build=lazy_value("histobench_metrics.labels.accuracy:accuracy"),
        citation="Sokolova & Lapalme (2009), Inf. Process. Manag. 45:427-437",
        view="slide",
        columns=("share of spots",),
        undefined="no labelled spots",
    ),
    _share(
        name="f1-weighted",
        title="F1 of the classes, weighted by their spots",
        build=lazy_value("histobench_metrics.labels.f1:f1_weighted"),
        citation="Sokolova & Lapalme (2009), Inf. Process. Manag. 45:427-437",
        view="slide",
        columns=("weighted by spots",),
        undefined="no labelled spots",
    ),
    _share(
        name="class-auroc",
        title="area under the ROC of each class against the rest",
        build=lazy_value("histobench_metrics.labels.class_auroc:class_auroc"),
        citation="Hanley & McNeil (1982), Radiology 143:29-36",
        undefined="class without a spot, or no other",
    ),
    _share(
        name="class-auprc",
        title="average precision of finding each class's spots",
        build=lazy_value("histobench_metrics.labels.class_auroc:class_auprc"),
        citation="Davis & Goadrich (2006), ICML, 233-240",
        undefined="class without a spot, or no other",
    ),
    _share(
        name="confusion",
        title="confusion matrix: the share of each class's spots that is given each class",
        build=lazy_value("histobench_metrics.labels.confusion:confusion"),
        citation="Sokolova & Lapalme (2009), Inf. Process. Manag. 45:427-437",
        view="slide",
        columns=lazy("histobench_metrics.labels.confusion:confusion_columns"),
        headline="right",
        undefined="class without a spot",
    ),
)
"""The metrics of this family."""
