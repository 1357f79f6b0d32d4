"""Enhance: clean expression of its noise; part of each spot's counts is held out, and scores the answer."""

from histobench.data import Slide
from histobench.data.held_out_counts import hide
from histobench.study.samples import Assembler
from histobench.study.tasks.slides import SlideSamples
from histobench.study.tasks.table import ask, read

__all__ = ["ask", "make_samples", "read"]


def make_samples(assembler: Assembler, slide: Slide, /) -> SlideSamples:
    """Show a part of the counts; the part that is held out is what is observed."""
    table = assembler.table(slide)
    split = hide(table, assembler.panel, assembler.genes)
    labelled = assembler.samples(table, split.given, split.counts)
    return SlideSamples(slide=slide, labelled=labelled, observed=split.held_out, hidden=split.hidden)
