"""What a configuration will start and cost, said before anything starts."""

from collections import Counter
from collections.abc import Iterator
from math import prod

from shadow.configuration import Document
from shadow.replay.vllm_plan import EnginePlan, engine_plans, values_of
from shadow.settings import Price, Settings

_HOURS = 24


def axes_of(document: Document) -> tuple[str, ...]:
    """One line for each candidate that stands for many: its axes, their values, how many arms they make."""
    found = []
    for candidate in document.expansion.written:
        axes = candidate.get("axes") if isinstance(candidate, dict) else None
        if axes:
            shown = " x ".join(f"{axis} ({', '.join(map(str, values))})" for axis, values in axes.items())
            found.append(f"{candidate['name']}: {prod(map(len, axes.values()))} arms = {shown}")
    return tuple(found)


def engines(settings: Settings) -> str | None:
    """The servers that `shadow run` starts; None when it starts none."""
    plans = engine_plans(settings)
    if not plans:
        return None
    places = sorted({gpu for plan in plans for gpu in plan.backend.gpus})
    where = f"on GPU {', '.join(map(str, places))}" if places else "on the GPUs that vLLM finds"
    return f"{len(plans)} vLLM server{'s' if len(plans) > 1 else ''} that `shadow run` starts, {where}"


def cost(settings: Settings) -> str:
    """By the price sheets: dollars by the hour whatever the traffic, dollars by the token, and who has no price."""
    prices = [(candidate.name, candidate.price) for candidate in settings.candidates]
    if settings.baseline is not None:
        prices.append(("baseline", settings.baseline.price))
    hourly = sum(p.gpu_usd_per_hour * p.gpus for _, p in prices if p is not None and p.gpu_usd_per_hour is not None)
    by_token = [p for _, p in prices if p is not None and p.gpu_usd_per_hour is None and _known(p)]
    parts = []
    if hourly:
        parts.append(f"{hourly:,.6g} USD per hour ({_HOURS * hourly:,.6g} a day) while it runs, idle or not")
    if by_token:
        reading, writing = (sum(side(p) for p in by_token) for side in (_reading, _writing))
        parts.append(
            f"{reading:,.6g} USD per million tokens in and {writing:,.6g} out of replayed traffic, all {len(by_token)} arms by the "
            "token together"
        )
    unknown = [name for name, price in prices if price is None or not _known(price)]
    if unknown:
        parts.append(f"unknown for {_some(unknown)}")
    limit = settings.budget.usd_per_day
    return "; ".join(parts) + (f"; stops at {limit:,.6g} USD a day (`budget`)" if limit is not None else "")


def notes(settings: Settings) -> Iterator[str]:
    """What would be started or paid for otherwise than meant."""
    plans = engine_plans(settings)
    prices = {candidate.name: candidate.price for candidate in settings.candidates}
    for plan in plans:
        priced = [p.gpus for name in plan.candidates if (p := prices[name]) is not None and p.gpu_usd_per_hour]
        gpus = _gpus(plan)
        if len(priced) > 1 and sum(priced) > gpus + 1e-9:
            yield (
                f"{_some(list(plan.candidates))} share one server on {gpus} GPU{'s' if gpus > 1 else ''} and are priced as "
                f"{sum(priced):g}: write `price.gpus: {gpus / len(priced):.3g}` for each, or it is paid for more than once"
            )
    on = Counter(gpu for plan in plans for gpu in plan.backend.gpus)
    for gpu, many in sorted(on.items()):
        shares = [plan.backend.gpu_memory_share for plan in plans if gpu in plan.backend.gpus]
        if many > 1 and (None in shares or sum(share or 0 for share in shares) > 1):
            yield (
                f"{many} servers want GPU {gpu}: each takes nearly all of its memory unless `gpu_memory_share` says less; give "
                f"each at most {0.9 / many:.2g}, or other `gpus`"
            )


def _gpus(plan: EnginePlan) -> int:
    if plan.backend.gpus:
        return len(plan.backend.gpus)
    parallel = [values_of(plan.backend.args, name) for name in ("--tensor-parallel-size", "--pipeline-parallel-size")]
    return prod(int(value) for found in parallel for value in found[:1] if value.isdigit())


def _reading(price: Price) -> float:
    return price.input_usd_per_million or 0.0


def _writing(price: Price) -> float:
    return price.output_usd_per_million or 0.0


def _known(price: Price) -> bool:
    by_token = price.input_usd_per_million is not None and price.output_usd_per_million is not None
    return by_token or price.gpu_usd_per_hour is not None


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
