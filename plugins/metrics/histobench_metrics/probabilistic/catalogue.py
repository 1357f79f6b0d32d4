"""Cards of likelihoods of counts, and of predictive intervals."""

from histobench import lazy_value
from histobench_metrics.cards import amount, expression

__all__ = ["CARDS"]

CARDS = (
    expression(
        name="zinb-log-likelihood",
        title="mean log-likelihood (nats) of the counts under the predicted zero-inflated negative binomial",
        build=lazy_value("histobench_metrics.probabilistic.log_likelihood:zinb_log_likelihood"),
        citation="Risso et al. (2018), Nat. Commun. 9:284",
        needs=("zinb",),
        higher_is_better=True,
        highest=0.0,
        unit="nats",
        undefined="an observation that is not a count, or no spots",
    ),
    expression(
        name="nb-log-likelihood",
        title="mean log-likelihood (nats) of the counts under the predicted negative binomial, without inflation",
        build=lazy_value("histobench_metrics.probabilistic.log_likelihood:nb_log_likelihood"),
        citation="Hilbe (2011), Negative Binomial Regression, Cambridge University Press",
        needs=("nb",),
        higher_is_better=True,
        highest=0.0,
        unit="nats",
        undefined="an observation that is not a count, or no spots",
    ),
    expression(
        name="zero-brier",
        title="squared error of the predicted probability that a gene is seen",
        build=lazy_value("histobench_metrics.probabilistic.zero_brier:zero_brier"),
        citation="Brier (1950), Mon. Weather Rev. 78:1-3",
        needs=("zinb",),
        higher_is_better=False,
        lowest=0.0,
        highest=1.0,
        undefined="no spots",
    ),
    expression(
        name="zero-auroc",
        title="area under the ROC of the predicted probability that a gene is seen",
        build=lazy_value("histobench_metrics.probabilistic.zero_brier:zero_auroc"),
        citation="Hanley & McNeil (1982), Radiology 143:29-36",
        needs=("zinb",),
        higher_is_better=True,
        lowest=0.0,
        highest=1.0,
        undefined="target present everywhere or nowhere",
    ),
    amount(
        name="interval-coverage",
        title="share of observations in the predicted 90 % interval; it should be 0.9",
        build=lazy_value("histobench_metrics.probabilistic.interval:interval_coverage"),
        citation="Gneiting, Balabdaoui & Raftery (2007), J. R. Stat. Soc. B 69:243-268",
        needs=("interval",),
        higher_is_better=True,
        lowest=0.0,
        highest=1.0,
        gamed_by="intervals that hold everything",
        undefined="no spots",
    ),
    amount(
        name="interval-width",
        title="mean width of the predicted 90 % intervals",
        build=lazy_value("histobench_metrics.probabilistic.interval:interval_width"),
        citation="Gneiting, Balabdaoui & Raftery (2007), J. R. Stat. Soc. B 69:243-268",
        needs=("interval",),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        gamed_by="intervals that hold nothing",
        undefined="no spots",
    ),
    amount(
        name="interval-score",
        title="width of the 90 % intervals plus twenty times what they miss by: a proper score",
        build=lazy_value("histobench_metrics.probabilistic.interval:interval_score"),
        citation="Gneiting & Raftery (2007), J. Am. Stat. Assoc. 102:359-378",
        needs=("interval",),
        higher_is_better=False,
        lowest=0.0,
        unit="target",
        undefined="no spots",
    ),
)
"""The metrics of this family."""
