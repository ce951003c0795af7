"""Lines of `shadow score --list`: the kinds that exist, or those of a configuration with who sees what."""

from collections.abc import Iterator

from scorers.registry import available
from shadow.configuration import load_document
from shadow.settings import ScorerEntry


def known() -> Iterator[str]:
    """Every kind that can be configured here."""
    for info in available().values():
        needs = f" (needs {info.needs})" if info.needs else ""
        yield f"{info.kind:14} {info.scorer_kind or '-':12} {info.summary}{needs}"


def configured(path: str) -> Iterator[str]:
    """Every scorer of a configuration: which calls it sees, and what it may use. ConfigurationError as for any file."""
    kinds = available()
    for entry in load_document(path).settings.scorers:
        info = kinds.get(entry.kind)
        sort = info.scorer_kind if info is not None else None
        again = "" if entry.label == entry.kind else f" (kind {entry.kind})"
        yield f"{entry.label:14} {sort or '-':12} {'; '.join(_share(entry))}{again}"


def _share(entry: ScorerEntry) -> Iterator[str]:
    yield f"{entry.rate:.4g} of calls"
    if entry.resolve is not None:
        words = " or ".join(entry.resolve.labels)
        yield f"{entry.resolve.rate:.4g} of the others that {entry.resolve.scorer} calls {words}"
    if entry.budget is not None and entry.budget.seconds_per_day is not None:
        yield f"at most {entry.budget.seconds_per_day:g} s a day and worker"
    if entry.budget is not None and entry.budget.usd_per_day is not None:
        yield f"at most {entry.budget.usd_per_day:g} USD a day and worker ({entry.budget.usd_per_case:g} a case)"
    if entry.generation > 1:
        yield f"generation {entry.generation}"
