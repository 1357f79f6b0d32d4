"""Load the method of a finished job from its folder."""

from histobench.contracts.options import options_from_json
from histobench.contracts.protocols import Method
from histobench.errors import DataError
from histobench.results.records import RunRecord
from histobench.results.store import JobFolder
from histobench.study.checkpoint_evaluation import load_checkpoint
from histobench.study.samples import Assembler, fit_context

__all__ = ["load_fitted"]


def load_fitted(record: RunRecord, folder: JobFolder, assembler: Assembler) -> Method:
    """Build a job's method and load what its fit saved, or the published weights that the job evaluates.

    Raises
    ------
    DataError
        If the saved method was removed to save space, or the published weights are no longer at their path.
    """
    job = record.job
    card = assembler.registry.methods.get(job.method)
    method: Method = card.build(options_from_json(card, job.options))
    if job.checkpoint:
        load_checkpoint(method, job, fit_context(job, assembler))
        return method
    if not folder.checkpoint.exists():
        raise DataError(f"job {record.job_id} ({job.method}) has no saved method: there is no '{folder.checkpoint}'.")
    method.load(folder.checkpoint, fit_context(job, assembler))
    return method
