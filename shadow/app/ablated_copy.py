"""Has an ablated copy of a candidate's model written by the engine's Python, which has torch and safetensors."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from shadow.errors import ConfigurationError, ShadowError
from shadow.settings import Candidate, VllmBackend
from shadow.suites import ablated_checkpoint
from shadow.suites.ablate import parts_of
from shadow.suites.ablate_run import Wish

WRITE_SECONDS = 3600.0


def write_checkpoint(candidate: Candidate, wish: Wish, folder: Path) -> dict[str, Any]:
    """{"changed", "tensors"}; everything that is chosen is scaled at once. Raises ConfigurationError for what cannot be
    written (unknown layer, quantised weights, a folder that holds something)."""
    backend = candidate.backend
    if not isinstance(backend, VllmBackend):
        raise ConfigurationError([f"candidate {candidate.name}: only a model that Shadow serves can be copied"])
    if candidate.variant.lora is not None:
        raise ConfigurationError(
            [
                f"candidate {candidate.name}: variant.lora is no part of a checkpoint; merge the adapter into the model first"
            ]
        )
    parts = sorted({part for word in wish.parts for part in parts_of(word)})
    python = backend.python or sys.executable
    order = {
        "model": backend.model,
        "out": str(folder),
        "layers": wish.layers,
        "parts": parts,
        "scale": wish.scale,
    }
    environment = engine_environment(backend)
    try:
        done = subprocess.run(  # noqa: S603  # the operator's own interpreter, our own file
            [python, "-I", ablated_checkpoint.__file__, json.dumps(order)],
            env=environment,
            capture_output=True,
            timeout=WRITE_SECONDS,
            check=False,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(
            [
                f"candidate {candidate.name}: {python} did not write the copy ({type(error).__name__}); correct backend.python"
            ]
        ) from None
    if done.returncode == 2:
        raise ConfigurationError([done.stderr.strip()])
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise ShadowError(f"the copy was not written: {last}; {python} needs torch and safetensors")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def engine_environment(backend: VllmBackend) -> dict[str, str]:
    """Ours and the backend's: where models are cached, whether the hub may be asked."""
    import os

    return {**os.environ, **backend.env}
