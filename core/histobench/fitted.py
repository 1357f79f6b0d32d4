"""The method of a finished job, read back from its folder."""

from histobench.assembly import Assembler, fit_context, registry
from histobench.config import options_from_json
from histobench.contracts import Method
from histobench.errors import DataError
from histobench.records import RunRecord
from histobench.store import JobFolder

__all__ = ["load_fitted"]


def load_fitted(record: RunRecord, folder: JobFolder, assembler: Assembler) -> Method:
    """Build a job's method and load what its fit saved.

    Raises
    ------
    DataError
        If nothing was saved: the job evaluates published weights, or its folder was thinned out.
    """
    job = record.job
    card = registry().methods.get(job.method)
    if not folder.checkpoint.exists():
        raise DataError(f"job {record.job_id} ({job.method}) has no saved method: there is no '{folder.checkpoint}'.")
    method: Method = card.build(options_from_json(card, job.options))
    method.load(folder.checkpoint, fit_context(job, assembler))
    return method
