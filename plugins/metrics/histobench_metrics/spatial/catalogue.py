"""Cards of maps: autocorrelation, structure and co-localisation."""

from functools import partial

from histobench import lazy_value
from histobench_metrics.cards import amount
from histobench_metrics.spatial.columns import AGREEMENT

__all__ = ["CARDS"]

_place_correlation = partial(amount, higher_is_better=True, lowest=-1.0, highest=1.0, needs=("place",))

CARDS = (
    amount(
        name="moran-difference",
        title="absolute difference of Moran's I (150 µm) of the predicted and the observed map",
        build=lazy_value("histobench_metrics.spatial.moran_difference:moran_difference"),
        citation="Moran (1950), Biometrika 37:17-23",
        needs=("place",),
        higher_is_better=False,
        pools="never",
        lowest=0.0,
        gamed_by="any map as patchy as the observed one",
        undefined="either side constant, fewer than four spots, or none within 269 µm of another",
    ),
    _place_correlation(
        name="ssim",
        title="structural similarity of the predicted and the observed map, spots as pixels",
        build=lazy_value("histobench_metrics.spatial.ssim:structural_similarity"),
        citation="Wang et al. (2004), IEEE Trans. Image Process. 13:600-612",
        pools="never",
        undefined="observation constant, or fewer than four spots",
    ),
    _place_correlation(
        name="colocalisation",
        title="agreement of the bivariate Moran's R (150 µm) of all pairs of targets",
        build=lazy_value("histobench_metrics.spatial.colocalisation:colocalisation"),
        citation="Li et al. (2023), Nat. Commun. 14:3995",
        view="slide",
        columns=AGREEMENT,
        headline=AGREEMENT[0],
        pools="never",
        gamed_by="whole profiles of other spots",
        undefined="fewer than three varying or more than 2,000 targets, or fewer than four spots",
    ),
    amount(
        name="colocalisation[cuca]",
        title="agreement of the bivariate Moran's R of all pairs, l = 500 pixels, as CUCA's and Hist2Cell's analysis",
        build=lazy_value("histobench_metrics.spatial.colocalisation:published_colocalisation"),
        citation="Zhao et al. (2024), bioRxiv 2024.02.17.580852; abundance protocol, section 9",
        needs=("place", "pixels"),
        higher_is_better=True,
        view="slide",
        columns=AGREEMENT,
        headline=AGREEMENT[0],
        pools="never",
        lowest=-1.0,
        highest=1.0,
        gamed_by="whole profiles of other spots",
        undefined="any target constant, fewer than three or more than 2,000 targets, or fewer than four spots",
    ),
)
"""The metrics of this family."""
