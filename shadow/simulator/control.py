"""`/control`: change the simulator while it runs. Answers clients on this machine only, and no web page."""

import json
from typing import TYPE_CHECKING, Any

from shadow.simulator.connection import Request
from shadow.simulator.plan import encode, refusal, whole

if TYPE_CHECKING:
    from shadow.simulator.server import Simulator


def control(simulator: "Simulator", request: Request) -> bytes:
    """GET: behaviour and statistics. POST: a JSON object of switches to change; the answer is as for GET."""
    if not request.local:
        return refusal(403, "control answers clients on the same machine only", "Forbidden")
    if "origin" in request.headers:  # a page in a browser on this machine must not steer it
        return refusal(403, "control does not answer browsers", "Forbidden")
    if request.method == "POST":
        try:
            changes = json.loads(request.body)
            if not isinstance(changes, dict):
                raise ValueError("the body has to be a JSON object")
            simulator.behaviour = simulator.behaviour.changed(changes)
        except (ValueError, RecursionError) as error:
            return refusal(400, str(error) or "the body is not JSON", "BadRequestError")
    elif request.method != "GET":
        return refusal(405, "Method Not Allowed", "MethodNotAllowed")
    return whole(200, encode({"behaviour": simulator.behaviour.model_dump(), "stats": summary(simulator)}))


def summary(simulator: "Simulator") -> dict[str, Any]:
    """The statistics without any request's content."""
    stats = simulator.stats
    return {
        "requests": stats.requests,
        "completions": stats.completions,
        "finished": stats.finished,
        "aborted": stats.aborted,
        "inflight": stats.inflight,
        "waiting": stats.waiting,
        "max_inflight": stats.max_inflight,
        "connections": stats.connections,
        "unknown_prompts": stats.unknown_prompts,
        "max_lateness_seconds": stats.max_lateness_seconds,
        "faults": dict(stats.faults),
    }
