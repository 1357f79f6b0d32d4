"""Tasks whose answer is a table of targets: gene expression, cell abundance, labels."""

from typing import Any

from histobench.contracts.protocols import Method
from histobench.data import Prediction, Samples, Slide, SlideResult
from histobench.study.checkpoint_evaluation import in_order
from histobench.study.samples import Assembler
from histobench.study.tasks.slides import Reading, SlideSamples, expect

__all__ = ["ask", "make_samples", "read"]


def make_samples(assembler: Assembler, slide: Slide, /) -> SlideSamples:
    """Show the slide with the counts that the task shows; the panel's values are what is observed."""
    table = assembler.table(slide)
    labelled = assembler.samples(table, assembler.panel.read(table), assembler.counts(table))
    return SlideSamples(slide=slide, labelled=labelled, observed=labelled.targets)


def ask(method: Method, samples: Samples, /) -> Any:  # Any: a third-party method may return anything
    """Let a method predict, once."""
    return method.predict(samples)


def read(answer: Any, given: SlideSamples, reading: Reading, /) -> SlideResult:  # Any: as above
    """Check the table of targets, and that of side targets where the method predicts them too."""
    predicted = expect(answer, Prediction)
    if reading.spec.checkpoint:
        predicted = in_order(predicted, given.observed.names)
    predicted.check_against(len(given.labelled), given.observed.names)
    predicted = predicted.copy()  # the method may use its buffers again
    known = given.labelled.beside
    beside = {name: known[name] for name in predicted.beside if name in known}
    return reading.result(given, predicted, given.observed, beside=beside)
