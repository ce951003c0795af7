"""An ablation put together: an engine of its own with the extension, the cases' client, the configured scorers, the report."""

import asyncio
import contextlib
import json
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from shadow.app.parts import build_scoring
from shadow.clock import SystemClock
from shadow.errors import ConfigurationError, UnreachableError
from shadow.records import ArmOutcome
from shadow.replay import vllm_ablation
from shadow.replay.openai_http import OpenAIBackend
from shadow.replay.variants import body_for
from shadow.replay.vllm_control import EngineControl
from shadow.replay.vllm_plan import ABLATION_CLASS, EnginePlan, engine_plans, served
from shadow.replay.vllm_server import Engine
from shadow.settings import Candidate, Settings, VllmBackend
from shadow.suites.ablate import chosen_layers
from shadow.suites.ablate_cases import AblationCase, CaseFile
from shadow.suites.ablate_effects import Finding, findings
from shadow.suites.ablate_run import Restoration, Say, Wish, left, plan_of, visit
from shadow.suites.ablate_state import Begun, StateFile

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablated:
    """What a run found. `restoration` is None when every figure was there already and no engine was started."""

    found: tuple[Finding, ...]
    begun: Begun
    quality: str
    margin: float
    restoration: Restoration | None


def candidate_of(settings: Settings, name: str) -> Candidate:
    """The candidate to ablate. Raises ConfigurationError for one that is unknown or that Shadow does not serve itself."""
    found = next((c for c in settings.candidates if c.name == name), None)
    if found is None:
        known = ", ".join(c.name for c in settings.candidates)
        raise ConfigurationError([f"--candidate: there is no {name!r}; the configuration has {known}"])
    if not isinstance(found.backend, VllmBackend):
        raise ConfigurationError(
            [
                f"--candidate: {name} is a server that somebody else runs (kind: {found.backend.kind}); layers can be reached "
                "with kind: vllm only, see docs/ablation.md"
            ]
        )
    for argument in ("--worker-extension-cls", "--no-enforce-eager"):
        if any(a.partition("=")[0] == argument for a in found.backend.args):
            raise ConfigurationError(
                [f"candidate {name}: backend.args sets {argument}; an ablation needs it, take it out"]
            )
    return found


def ablate(settings: Settings, candidate: Candidate, file: CaseFile, wish: Wish, out: Path, *, say: Say) -> Ablated:
    """Visits every ablation that `out` does not hold yet, and reads the report off all of them.

    Raises ConfigurationError for what cannot be asked, UnreachableError for an engine that does not start, ShadowError for
    one that fails or is not what it was afterwards.
    """
    quality = quality_of(settings)
    chosen_layers(wish.layers, count=layers_on_disk(candidate))
    state = StateFile(out, _identity(settings, candidate, file, wish))
    restoration = None
    if left(wish, state) != ():
        entries = build_scoring(settings, lambda *_: None).entries
        with ablation_engine(settings, candidate, say) as url:
            asking = Asking(settings, served(candidate, url))
            control = EngineControl(urlsplit(url).port or 0)
            restoration = visit(control, asking, file.cases, entries, wish=wish, state=state, say=say)
    if state.begun is None:
        raise UnreachableError("the engine was never met")
    margin = margin_of(settings)
    kept = [state.done[one.name] for one in plan_of(wish, state.begun)]
    ids = [case.call.id for case in file.cases]
    found = findings(kept, ids, quality=quality, margin=margin, alpha=settings.policy.alpha.reject)
    return Ablated(found=found, begun=state.begun, quality=quality, margin=margin, restoration=restoration)


def layers_on_disk(candidate: Candidate) -> int | None:
    """How many layers a model in a local folder says it has; None for one on the hub, or one that does not say.

    A layer that the model lacks is then refused before an engine is loaded, which takes minutes.
    """
    try:
        config = json.loads((Path(getattr(candidate.backend, "model", "")) / "config.json").read_bytes())
        found = (config.get("text_config") or config).get("num_hidden_layers")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, int) and found > 0 else None


def quality_of(settings: Settings) -> str:
    """The label of the scorer that decides: the policy's, else the first one."""
    labels = [entry.label for entry in settings.scorers]
    if not labels:
        raise ConfigurationError(["scorers: an ablation needs at least one"])
    return settings.policy.quality if settings.policy.quality in labels else labels[0]


def margin_of(settings: Settings) -> float:
    """How much mean quality may drop: the margin of the policy's gate on it, else 0.08."""
    gates = (g.margin for g in settings.policy.gates if g.kind == "mean_drop" and g.metric == "score")
    return next((margin for margin in gates if margin is not None), 0.08)


def _identity(settings: Settings, candidate: Candidate, file: CaseFile, wish: Wish) -> dict[str, Any]:
    backend = candidate.backend.model_dump(mode="json", include={"kind", "model", "args"})
    return {
        "candidate": {"name": candidate.name, "backend": backend, "variant": candidate.variant.model_dump(mode="json")},
        "cases": file.digest,
        "scale": wish.scale,
        "scorers": [entry.model_dump(mode="json") for entry in settings.scorers],
        "output limit": settings.replay.max_output_tokens,
        "version of Shadow": installed_version("shadow-monitor"),
    }


@contextlib.contextmanager
def ablation_engine(settings: Settings, candidate: Candidate, say: Say) -> Iterator[str]:
    """The base URL of an engine of this candidate alone, with the extension and the development routes, on 127.0.0.1.

    It is never restarted: a fresh one would be an engine that nothing is ablated in.
    """
    (plan,) = engine_plans(settings.model_copy(update={"candidates": [candidate]}))
    keys = (getattr(arm.backend, "api_key_env", None) for arm in settings.candidates)
    secrets = frozenset(key for key in (*keys, getattr(settings.baseline, "api_key_env", None)) if key is not None)
    with tempfile.TemporaryDirectory(prefix="shadow-ablation-") as folder:
        module = ABLATION_CLASS.partition(".")[0]
        shutil.copyfile(vllm_ablation.__file__, Path(folder) / f"{module}.py")
        engine = Engine(_alone(plan, Path(folder)), secrets)
        engine.prepare()
        engine.start()
        say(f"loading {plan.backend.model} into an engine of its own; this can take minutes")
        try:
            _wait(engine, plan.backend.start_timeout_seconds)
            yield engine.url
        finally:
            engine.ask_to_stop()
            engine.join()


def _alone(plan: EnginePlan, folder: Path) -> EnginePlan:
    backend = plan.backend.model_copy(update={"max_restarts_per_hour": 0, "port": 0})
    return replace(plan, backend=backend, ablation=folder)


def _wait(engine: Engine, seconds: float) -> None:
    end = time.monotonic() + seconds + 30
    while time.monotonic() < end:
        if engine.given_up is not None:
            raise UnreachableError(f"engine of {engine.plan.name}: {engine.given_up}")
        try:
            with urllib.request.urlopen(f"{engine.url}/models", timeout=5) as answer:  # noqa: S310  # http on 127.0.0.1
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(POLL_SECONDS)
    raise UnreachableError(f"engine of {engine.plan.name}: not ready in time; raise backend.start_timeout_seconds")


class Asking:
    """Asks cases at temperature 0, each call of a list in the same order and under the same limits every time."""

    def __init__(self, settings: Settings, candidate: Candidate) -> None:
        self._settings, self._candidate = settings, candidate

    def __call__(self, cases: Sequence[AblationCase]) -> list[ArmOutcome]:
        """One outcome per case, in order."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._all(cases))

    async def _all(self, cases: Sequence[AblationCase]) -> list[ArmOutcome]:
        replay, clock = self._settings.replay, SystemClock()
        server = self._candidate.backend
        if isinstance(server, VllmBackend):
            raise ConfigurationError(["an engine is asked by its address"])
        backend = OpenAIBackend(server, replay, arm=self._candidate.name, role="candidate", clock=clock)
        slots = asyncio.Semaphore(replay.concurrency)

        async def one(case: AblationCase) -> ArmOutcome:
            async with slots:
                body = {**body_for(case.call, self._candidate, replay).body, "temperature": 0}
                deadline_ns = clock.monotonic_ns() + int(replay.timeout_seconds * 1e9)
                return await backend.ask(case.call, body, deadline_ns)

        try:
            return list(await asyncio.gather(*(one(case) for case in cases)))
        finally:
            await backend.close()
