"""One module for each kind of task, all with the same three functions: make the samples, ask the method, read."""

from collections.abc import Callable, Mapping, Sequence

from histobench.data import Kind, LabelledSamples
from histobench.results.records import JobSpec
from histobench.study.samples import Assembler, join
from histobench.study.tasks import enhance, generate, retrieve, table
from histobench.study.tasks.slides import Reading, SlideSamples, TaskModule

__all__ = ["Reading", "SlideSamples", "TaskModule", "open_reading", "task_module", "training_samples"]

_MODULES: Mapping[Kind, TaskModule] = {
    "gene_expression": table,
    "cell_abundance": table,
    "label": table,
    "enhance": enhance,
    "retrieve": retrieve,
    "generate": generate,
}
"""Kind → its module."""


def task_module(kind: Kind) -> TaskModule:
    """Return the module of a kind of task."""
    return _MODULES[kind]


def training_samples(assembler: Assembler, slide_ids: Sequence[str]) -> LabelledSamples:
    """Make the samples of several slides to fit a method on, or to select it on."""
    task, slides = task_module(assembler.panel.kind), assembler.slides()
    return join([task.make_samples(assembler, slides[name]).labelled for name in slide_ids])


def open_reading(spec: JobSpec, assembler: Assembler, warn: Callable[[str], None]) -> Reading:
    """Prepare to read the answers of a job; a judge of generated patches learns from the training slides."""
    judge = generate.teach_judge(assembler, encoder=spec.judge, train=spec.train) if spec.judge else None
    return Reading(spec=spec, assembler=assembler, warn=warn, judge=judge)
