"""Which engines a configuration needs, and what every candidate is asked under. Pure but for looks at local folders.

Candidates whose backends are alike share one engine; adapters of all of them are loaded into it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shadow.settings import Candidate, OpenAIBackend, Settings, VllmBackend

_OURS = {
    "--host": "it listens on 127.0.0.1",
    "--port": "set backend.port",
    "--uds": "it is asked over TCP",
    "--api-key": "it listens on 127.0.0.1 only",
}
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_DEFAULT_RANK = 16
ABLATION_CLASS = "shadow_ablation.AblationExtension"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """One `vllm serve`: its backend, the candidates that it answers for, and the adapters that it loads (name to folder).

    `ablation` is the folder of the worker extension `shadow_ablation`, for `shadow ablate` only: such an engine has vLLM's
    development routes, which ask nobody who they are. An engine of `shadow run` never has them from us.
    """

    backend: VllmBackend
    candidates: tuple[str, ...]
    adapters: dict[str, str] = field(default_factory=dict)
    ablation: Path | None = None

    @property
    def name(self) -> str:
        """How the log calls it."""
        return ", ".join(self.candidates)

    def arguments(self, port: int) -> list[str]:
        """What follows `vllm serve`."""
        given = self.backend
        found = [given.model, "--host", "127.0.0.1", "--port", str(port)]
        if given.gpu_memory_share is not None:
            found += ["--gpu-memory-utilization", f"{given.gpu_memory_share:g}"]
        found += given.args
        if self.adapters:
            if "--enable-lora" not in given.args:
                found.append("--enable-lora")
            rank = max((_rank(folder) for folder in self.adapters.values()), default=_DEFAULT_RANK)
            if rank > _DEFAULT_RANK and not values_of(given.args, "--max-lora-rank"):
                found += ["--max-lora-rank", str(next((r for r in _RANKS if r >= rank), rank))]
            found += ["--lora-modules", *(f"{name}={folder}" for name, folder in self.adapters.items())]
        if self.ablation is not None:
            if "--enforce-eager" not in given.args:
                found.append("--enforce-eager")
            found += ["--worker-extension-cls", ABLATION_CLASS]
        return found

    def environment(self, inherited: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
        """Ours without the keys of other servers, then what the operator sets; never any telemetry."""
        found = {k: v for k, v in inherited.items() if k not in secrets and k != "VLLM_API_KEY"}
        found |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
        if self.backend.gpus:
            found["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, self.backend.gpus))
        found |= self.backend.env
        if self.ablation is not None:
            paths = [str(self.ablation), *([found["PYTHONPATH"]] if found.get("PYTHONPATH") else [])]
            found |= {"VLLM_SERVER_DEV_MODE": "1", "PYTHONPATH": os.pathsep.join(paths)}
        return found


def engine_plans(settings: Settings) -> tuple[EnginePlan, ...]:
    """One for each group of candidates whose backends are alike."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in settings.candidates:
        if isinstance(candidate.backend, VllmBackend):
            groups.setdefault(candidate.backend.model_dump_json(), []).append(candidate)
    return tuple(
        EnginePlan(
            backend=backend,
            candidates=tuple(c.name for c in group),
            adapters={c.name: c.variant.lora for c in group if c.variant.lora and _is_folder(c.variant.lora)},
        )
        for group in groups.values()
        if isinstance(backend := group[0].backend, VllmBackend)
    )


def served(candidate: Candidate, url: str) -> Candidate:
    """The candidate as the replayer asks it: an OpenAI-compatible server with the engine's own names."""
    backend = candidate.backend
    if not isinstance(backend, VllmBackend):
        return candidate
    names = values_of(backend.args, "--served-model-name")
    server = OpenAIBackend(url=url, model=names[0] if names else backend.model)
    variant = candidate.variant
    if variant.lora is not None and _is_folder(variant.lora):
        variant = variant.model_copy(update={"lora": candidate.name})
    return candidate.model_copy(update={"backend": server, "variant": variant})


def problems(settings: Settings) -> Iterator[tuple[int, str, str]]:
    """(candidate's index, key of its backend or variant, what is wrong) of every engine that could not run as written."""
    ports: dict[int, str] = {}
    for index, candidate in enumerate(settings.candidates):
        backend = candidate.backend
        if not isinstance(backend, VllmBackend):
            continue
        for argument in backend.args:
            name = argument.partition("=")[0]
            if name in _OURS:
                yield index, "backend.args", f"may not set {name}: {_OURS[name]}"
        if backend.gpu_memory_share is not None and values_of(backend.args, "--gpu-memory-utilization"):
            yield index, "backend.args", "sets --gpu-memory-utilization beside gpu_memory_share; keep one"
        if _looks_local(backend.model) and not (Path(backend.model) / "config.json").is_file():
            yield index, "backend.model", f"is no folder with a model: there is no {backend.model}/config.json"
        if backend.python is not None and not Path(backend.python).is_file():
            yield index, "backend.python", "does not exist; name the Python of the engine's environment"
        taken = ports.setdefault(backend.port, backend.model_dump_json())
        if backend.port and taken != backend.model_dump_json():
            yield index, "backend.port", "is another engine's port already; 0 takes a free one"
        yield from ((index, "variant.lora", text) for text in _adapter_problems(candidate.variant.lora, backend))


def _adapter_problems(lora: str | None, backend: VllmBackend) -> Iterator[str]:
    if lora is None:
        return
    if _is_folder(lora):
        if not (Path(lora) / "adapter_config.json").is_file():
            yield f"is no adapter: there is no {lora}/adapter_config.json"
        if values_of(backend.args, "--lora-modules"):
            yield "names a folder beside --lora-modules in backend.args; name the adapter there, or leave that argument out"
    elif not any(one.partition("=")[0] == lora for one in values_of(backend.args, "--lora-modules")):
        yield f"is neither a folder nor an adapter of backend.args; write --lora-modules {lora}=FOLDER there, or the folder"


def values_of(args: list[str], name: str) -> list[str]:
    """The values of one argument, written `--name A B` or `--name=A`."""
    found: list[str] = []
    taking = False
    for argument in args:
        if argument.startswith("--"):
            key, _, value = argument.partition("=")
            taking = key == name and not value
            if key == name and value:
                found.append(value)
        elif taking:
            found.append(argument)
    return found


def _looks_local(model: str) -> bool:
    return model.startswith(("/", "./", "../", "~")) or Path(model).is_dir()


def _is_folder(lora: str) -> bool:
    return "/" in lora or Path(lora).is_dir()


def _rank(folder: str) -> int:
    """The rank in an adapter's own configuration; the engine's default where it does not say."""
    try:
        rank = json.loads((Path(folder) / "adapter_config.json").read_bytes()).get("r", _DEFAULT_RANK)
    except (OSError, ValueError, AttributeError, RecursionError):
        return _DEFAULT_RANK
    return rank if isinstance(rank, int) else _DEFAULT_RANK
