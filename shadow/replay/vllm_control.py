"""Speaks to the ablation extension inside a running engine, over vLLM's development routes.

Blocking and small: one request at a time, each with a deadline. After every change of the model the prefix cache is
emptied: its blocks were computed by the other model.
"""

import http.client
import json
from collections.abc import Iterable, Sequence
from typing import Any

from shadow.errors import ShadowError, UnreachableError

CALL_SECONDS = 600.0
"""A fingerprint reads every byte of a model, which takes a while for a large one."""

Target = tuple[int, str]


class EngineControl:
    """The ablation of one engine on 127.0.0.1. Owned by one thread."""

    def __init__(self, port: int) -> None:
        self._port = port

    def describe(self) -> dict[str, Any]:
        """{"model", "layers": count, "parts": per layer, "eager", "ablated"}; the parts of all pipeline stages joined."""
        stages = self._call("shadow_describe")
        parts = [sorted(set().union(*(stage["parts"][i] for stage in stages))) for i in range(stages[0]["layers"])]
        return {**stages[0], "parts": parts}

    def ablate(self, targets: Sequence[Target], scale: float) -> None:
        """Scales the outputs of all targets, in place of what was ablated before. Raises ShadowError where none holds one."""
        results = self._call("shadow_ablate", [[list(target) for target in targets], scale])
        held = {key for result in results for key in result["ablated"]}
        missing = [f"{layer}.{part}" for layer, part in targets if f"{layer}.{part}" not in held]
        if missing:
            raise ShadowError(f"the engine's model has no {missing[0]} to ablate; choose other --layers or --parts")
        self._forget_cache()

    def restore(self) -> dict[str, int]:
        """Puts everything back; says how often each ablated part was passed meanwhile."""
        calls: dict[str, int] = {}
        for result in self._call("shadow_restore"):
            for key, count in result["calls"].items():
                calls[key] = calls.get(key, 0) + count
        self._forget_cache()
        return calls

    def fingerprint(self, layers: Iterable[int] | None = None) -> list[dict[str, Any]]:
        """Per worker the hashes of these layers, or of the whole model; equal lists mean the same model, wired the same."""
        return self._call("shadow_fingerprint", [None if layers is None else sorted(set(layers))])

    def _call(self, method: str, args: list[Any] | None = None) -> list[dict[str, Any]]:
        status, body = self._post("/collective_rpc", {"method": method, "args": args or []})
        if status == 404:
            raise UnreachableError(
                "the engine has no /collective_rpc: it was started without VLLM_SERVER_DEV_MODE=1, or its vLLM is too old "
                "for development routes; leave the variable out of backend.env and use vLLM 0.10 or newer"
            )
        if status != 200:
            raise UnreachableError(
                f"the engine's workers do not answer {method} (status {status}): the ablation extension is not loaded; "
                "take --worker-extension-cls out of backend.args, and see the engine's last lines in the log"
            )
        try:
            results = json.loads(body)["results"]
            failed = next((result["error"] for result in results if "error" in result), None)
        except (ValueError, KeyError, TypeError):
            raise UnreachableError(f"the engine answered {method} with something else; is it vLLM?") from None
        if failed is not None:
            raise ShadowError(f"the engine cannot be ablated: {failed}")
        if not results:
            raise UnreachableError(f"no worker of the engine answered {method}")
        return list(results)

    def _forget_cache(self) -> None:
        status, _ = self._post("/reset_prefix_cache", None)
        if status != 200:
            raise UnreachableError(
                f"the engine did not empty its prefix cache (status {status}); answers would be mixed"
            )

    def _post(self, path: str, body: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=CALL_SECONDS)
        try:
            payload = b"" if body is None else json.dumps(body).encode()
            connection.request("POST", path, payload, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"the engine does not answer on 127.0.0.1:{self._port} ({type(error).__name__}); its last lines are in the log"
            ) from None
        finally:
            connection.close()
