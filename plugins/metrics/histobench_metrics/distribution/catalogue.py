"""Cards of distances between distributions over spots, and of mutual information."""

import math
from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import amount

__all__ = ["CARDS"]

_LARGEST = math.log(2)  # the divergence of two distributions that share no spot

_divergence = partial(amount, higher_is_better=False, lowest=0.0, clips_predictions=True)

CARDS = (
    _divergence(
        name="jensen-shannon",
        title="Jensen-Shannon distance (root of the divergence, natural log) of one target's distribution over spots",
        build=lazy_value("histobench_metrics.distribution.jensen_shannon:jensen_shannon_distance"),
        citation="Lin (1991), IEEE Trans. Inf. Theory 37:145-151",
        highest=math.sqrt(_LARGEST),
        undefined="observation without mass or negative somewhere, or fewer than two spots",
    ),
    _divergence(
        name="jensen-shannon-divergence",
        title="Jensen-Shannon divergence (nats) of one target's distribution over spots",
        build=lazy_value("histobench_metrics.distribution.jensen_shannon:jensen_shannon_divergence"),
        citation="Lin (1991), IEEE Trans. Inf. Theory 37:145-151",
        highest=_LARGEST,
        unit="nats",
        undefined="observation without mass or negative somewhere, or fewer than two spots",
    ),
    _divergence(
        name="kl",
        title="Kullback-Leibler divergence (nats) of the observed from the predicted distribution over spots",
        build=lazy_value("histobench_metrics.distribution.kl:kullback_leibler"),
        citation="Kullback & Leibler (1951), Ann. Math. Stat. 22:79-86",
        unit="nats",
        undefined="observation without mass or negative somewhere, or fewer than two spots",
    ),
    amount(
        name="mutual-information",
        title="mutual information (nats) of prediction and observation, Kraskov's first estimator, 3 neighbours",
        build=lazy_value("histobench_metrics.distribution.mutual_information:mutual_information"),
        citation="Kraskov et al. (2004), Phys. Rev. E 69:066138",
        higher_is_better=True,
        lowest=0.0,
        unit="nats",
        expensive=True,
        undefined="either side constant, or three spots or fewer",
    ),
    _divergence(
        name="jsd[cuca-split]",
        title="squared Jensen-Shannon distance over the spots of all test slides, + 1e-8, as CUCA's script",
        build=lazy_value("histobench_metrics.distribution.jensen_shannon:squared_with_offset"),
        citation="Yan et al. (2025), Bioinformatics (CUCA); abundance protocol, section 8",
        highest=_LARGEST,
        pools="only",
        undefined="a negative observation",
    ),
    _divergence(
        name="jsd[cuca-slide]",
        title="Jensen-Shannon distance over the spots of one slide, + 1e-8, as CUCA's script",
        build=lazy_value("histobench_metrics.distribution.jensen_shannon:distance_with_offset"),
        citation="Yan et al. (2025), Bioinformatics (CUCA); abundance protocol, section 8",
        highest=math.sqrt(_LARGEST),
        pools="never",
        undefined="a negative observation",
    ),
    _divergence(
        name="jsd[hist2cell]",
        title="Jensen-Shannon distance over the spots of one slide, no offset, as Hist2Cell's figures",
        build=lazy_value("histobench_metrics.distribution.jensen_shannon:distance_without_offset"),
        citation="Zhao et al. (2024), bioRxiv 2024.02.17.580852",
        highest=math.sqrt(_LARGEST),
        pools="never",
        undefined="either side without mass, or a negative observation",
    ),
    amount(
        name="mi[cuca]",
        title="mutual information (nats), 3 neighbours, predictions clipped at zero, as CUCA's script",
        build=lazy_value("histobench_metrics.distribution.mutual_information:mutual_information_of_all"),
        citation="Yan et al. (2025), Bioinformatics (CUCA); abundance protocol, section 8",
        higher_is_better=True,
        lowest=0.0,
        unit="nats",
        clips_predictions=True,
        expensive=True,
        undefined="three spots or fewer",
    ),
)
"""The metrics of this family."""
