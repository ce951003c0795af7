"""`shadow run` itself: the parent process."""

from shadow.app.child import start_logging
from shadow.loops.supervisor import Supervisor
from shadow.settings import Settings


def run(settings: Settings, *, role: str, until_idle_seconds: float | None, config_path: str) -> int:
    """Supervises the two processes until a signal, or until the source has been idle for so long. Returns the exit code."""
    start_logging()
    return Supervisor(
        settings_json=settings.model_dump_json(exclude_unset=True).encode(),
        options={"role": role, "until_idle_seconds": until_idle_seconds, "config_path": config_path},
        with_replayer=role != "monitor",
        drain_seconds=settings.replay.drain_seconds + settings.replay.timeout_seconds,
    ).run()
