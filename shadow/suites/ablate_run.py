"""Visits every ablation in turn: change the engine, ask the cases, put it back, prove that it is back, keep the figures."""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shadow.errors import ConfigurationError, ShadowError
from shadow.records import ArmOutcome
from shadow.scoring import Entry
from shadow.suites.ablate import Ablation, chosen_layers, planned
from shadow.suites.ablate_cases import AblationCase
from shadow.suites.ablate_effects import measured, outage, same_answer
from shadow.suites.ablate_state import Begun, StateFile

PROBED_CASES = 4
"""Cases that are asked again after every restoration; all of them are at the end."""


class NotRestored(ShadowError):
    """The engine is not what it was before an ablation: no figure taken on it can be trusted."""


class Ablatable(Protocol):
    """A live engine whose layers can be scaled. Blocks; raises ShadowError."""

    def describe(self) -> dict[str, Any]:
        """{"model", "layers", "parts": per layer, "eager", "ablated"}."""
        ...

    def ablate(self, targets: Sequence[tuple[int, str]], scale: float) -> None:
        """Scales the outputs of these parts."""
        ...

    def restore(self) -> dict[str, int]:
        """Puts everything back; how often each part was passed meanwhile."""
        ...

    def fingerprint(self, layers: Iterable[int] | None = None) -> list[dict[str, Any]]:
        """Hashes of these layers or of the whole model, per worker."""
        ...


Ask = Callable[[Sequence[AblationCase]], list[ArmOutcome]]
"""Asks all cases at temperature 0: one outcome per case, in order."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: the words of --layers and --parts, and the scale."""

    layers: str
    parts: tuple[str, ...]
    scale: float
    together: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """The proof at the end of a run. `answers_same` of `answers` are byte for byte those of before; tensors and packed
    layers were hashed before and after."""

    tensors: int
    packed: int
    answers_same: int
    answers: int


def plan_of(wish: Wish, begun: Begun) -> tuple[Ablation, ...]:
    """The ablations of a wish for a known model. Raises ConfigurationError for a layer or part that it lacks."""
    ablations = planned(chosen_layers(wish.layers, count=len(begun.parts)), wish.parts, together=wish.together)
    for one in ablations:
        for layer, part in one.targets:
            if part not in begun.parts[layer]:
                has = ", ".join(begun.parts[layer]) or "none that is known here"
                raise ConfigurationError([f"--parts: layer {layer} of {begun.model} has no {part}; its parts: {has}"])
    return ablations


def left(wish: Wish, state: StateFile) -> tuple[Ablation, ...] | None:
    """What still has to be visited; None as long as the model is not known."""
    if state.begun is None:
        return None
    return tuple(one for one in plan_of(wish, state.begun) if one.name not in state.done)


def visit(
    engine: Ablatable,
    ask: Ask,
    cases: Sequence[AblationCase],
    entries: Sequence[Entry],
    *,
    wish: Wish,
    state: StateFile,
    say: Say,
) -> Restoration:
    """Runs what is left of a wish; every finished ablation is in `state` when this returns or raises.

    Raises NotRestored when the engine is not byte for byte what it was, ShadowError when it fails or when an ablation never
    took effect, ConfigurationError when the untouched engine is not the one that the state was begun with.
    """
    about = engine.describe()
    if not about["eager"]:
        raise ShadowError("the engine does not run eagerly; take --no-enforce-eager out of backend.args")
    whole = engine.fingerprint()
    untouched, again = _asked(ask, cases), _asked(ask, cases)
    begun = _begun(about, whole, untouched, again)
    if state.begun is None:
        state.begin(begun)
    elif (state.begun.weights, state.begun.answers) != (begun.weights, begun.answers):
        raise ConfigurationError(
            ["--out: the engine's weights or answers are not those this folder was begun with; give another folder"]
        )
    if not begun.answered:
        raise ShadowError(
            f"the untouched engine answered none of {len(cases)} cases ({_kinds(untouched)}); mend that first"
        )
    deterministic = begun.repeated == len(cases)
    say(
        f"{begun.model}: {len(begun.parts)} layers; {begun.repeated} of {len(cases)} answers are the same when asked again"
    )
    for one in left(wish, state) or ():
        before = engine.fingerprint(one.layers)
        started = time.monotonic()
        engine.ablate(one.targets, wish.scale)
        try:
            ablated = _asked(ask, cases)
        finally:
            calls = engine.restore()
        seconds = time.monotonic() - started
        idle = sorted(key for key, count in calls.items() if not count)
        if idle or not calls:
            raise ShadowError(
                f"the engine never passed {', '.join(idle) or one.name} while it was ablated: no effect was measured"
            )
        if engine.fingerprint(one.layers) != before:
            raise NotRestored(
                f"after {one.name} the layer's weights or wiring differ from before; stop using this engine"
            )
        probed = min(PROBED_CASES, len(cases))
        same = sum(map(same_answer, untouched[:probed], _asked(ask, cases[:probed])))
        if deterministic and same != probed:
            raise NotRestored(f"after {one.name} {probed - same} of {probed} answers differ from before")
        figures = measured(one.name, cases, (untouched, again, ablated), entries, seconds)
        state.keep(figures)
        changed = [value for value in figures.changed if value is not None]
        say(f"{one.name}: {sum(changed)} of {len(changed)} answers changed, {seconds:.1f} s")
    return _proof(engine, ask, cases, whole, untouched, deterministic=deterministic)


def _proof(
    engine: Ablatable,
    ask: Ask,
    cases: Sequence[AblationCase],
    whole: list[dict[str, Any]],
    untouched: Sequence[ArmOutcome],
    *,
    deterministic: bool,
) -> Restoration:
    if engine.fingerprint() != whole or engine.describe()["ablated"]:
        raise NotRestored("at the end the model's weights or wiring differ from the beginning")
    same = sum(map(same_answer, untouched, _asked(ask, cases)))
    if deterministic and same != len(cases):
        raise NotRestored(f"at the end {len(cases) - same} of {len(cases)} answers differ from the beginning")
    return Restoration(
        tensors=sum(worker["tensors"] for worker in whole),
        packed=sum(worker["packed"] for worker in whole),
        answers_same=same,
        answers=len(cases),
    )


def _asked(ask: Ask, cases: Sequence[AblationCase]) -> list[ArmOutcome]:
    outcomes = ask(cases)
    if broken := outage(outcomes):
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(broken.items()))
        raise ShadowError(
            f"{sum(broken.values())} of {len(cases)} calls failed for want of a working engine ({kinds}); what is done is kept: "
            "run the same command again to go on"
        )
    return outcomes


def _begun(
    about: dict[str, Any], whole: list[dict[str, Any]], untouched: Sequence[ArmOutcome], again: Sequence[ArmOutcome]
) -> Begun:
    digest = hashlib.sha256()
    for outcome in untouched:
        digest.update(
            repr((outcome.failure, outcome.answer.text, outcome.answer.tool_calls)).encode("utf-8", "replace")
        )
    return Begun(
        model=about["model"],
        parts=about["parts"],
        weights=[worker["bytes"] for worker in whole],
        answers=digest.hexdigest(),
        repeated=sum(map(same_answer, untouched, again)),
        answered=sum(outcome.failure is None for outcome in untouched),
        cases=len(untouched),
    )


def _kinds(outcomes: Sequence[ArmOutcome]) -> str:
    return ", ".join(sorted({str(o.failure) for o in outcomes if o.failure is not None}))
