"""`shadow run` itself: the parent process."""

from collections.abc import Iterator
from contextlib import contextmanager

from shadow.app.child import start_logging
from shadow.loops.supervisor import Supervisor
from shadow.settings import Settings


def run(settings: Settings, *, role: str, until_idle_seconds: float | None, config_path: str) -> int:
    """Supervises the two processes until a signal, or until the source has been idle for so long. Returns the exit code."""
    start_logging()
    options: dict[str, object] = {"role": role, "until_idle_seconds": until_idle_seconds, "config_path": config_path}
    with_replayer = role != "monitor"
    with engines_for(settings, wanted=with_replayer) as addresses:
        return Supervisor(
            settings_json=settings.model_dump_json(exclude_unset=True).encode(),
            options={**options, "engines": addresses},
            with_replayer=with_replayer,
            drain_seconds=settings.replay.drain_seconds + settings.replay.timeout_seconds,
        ).run()


@contextmanager
def engines_for(settings: Settings, *, wanted: bool) -> Iterator[dict[str, str]]:
    """Starts the engines of `kind: vllm` candidates and gives their addresses; ends them with the context."""
    if not wanted or not any(c.backend.kind == "vllm" for c in settings.candidates):
        yield {}
        return
    from shadow.replay.vllm_server import Engines  # the parent stays small where there is no engine to keep

    engines = Engines.of(settings)
    try:
        engines.start()
        yield engines.addresses()
    finally:
        engines.stop()
