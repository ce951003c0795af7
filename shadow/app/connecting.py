"""`shadow check --connect`: asks broker, backends and database at once, and says of each OK or what to fix."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from shadow.app.connecting_base import Deadline, Line, Unanswered
from shadow.records import BASELINE
from shadow.settings import KafkaSource, Settings

SECONDS = 9.0
"""How long everything together may take."""


def check_connections(settings: Settings, seconds: float = SECONDS) -> list[Line]:
    """Lines in the order source, arms, ledger. Blocks for `seconds` at most; writes nothing anywhere.

    Each check runs in its own daemon thread: what does not come back in time (a resolver may hang) is said and left.
    """
    checks = list(_checks(settings, Deadline(seconds)))
    answers: queue.SimpleQueue[tuple[int, list[Line]]] = queue.SimpleQueue()
    for number, (subject, check) in enumerate(checks):
        run = partial(_run, number, subject, check, answers)
        threading.Thread(target=run, name=f"check {subject}", daemon=True).start()
    found: dict[int, list[Line]] = {}
    end = time.monotonic() + seconds + 0.5
    while len(found) < len(checks):
        try:
            number, lines = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        found[number] = lines
    return [line for i, (subject, _) in enumerate(checks) for line in found.get(i, [_late(subject, seconds)])]


def _checks(settings: Settings, deadline: Deadline) -> Iterator[tuple[str, Callable[[], Iterator[Line]]]]:
    from shadow.app.connecting_backend import check_backend
    from shadow.app.connecting_ledger import check_ledger

    if isinstance(settings.source, KafkaSource):
        from shadow.app.connecting_kafka import check_kafka

        yield "broker", partial(check_kafka, settings.source, deadline, writes=settings.heartbeat.produce)
    else:
        yield "source", partial(_check_file, settings.source.path)
    if settings.baseline is not None:
        yield f"arm {BASELINE}", partial(check_backend, BASELINE, settings.baseline, settings.replay, deadline)
    for candidate in settings.candidates:
        yield f"arm {candidate.name}", partial(check_backend, candidate.name, candidate, settings.replay, deadline)
    yield "ledger", partial(check_ledger, settings.ledger, deadline)


def _run(
    number: int,
    subject: str,
    check: Callable[[], Iterator[Line]],
    answers: "queue.SimpleQueue[tuple[int, list[Line]]]",
) -> None:
    lines: list[Line] = []
    try:
        lines.extend(check())
    except Unanswered as problem:
        lines.append(Line(state="FIX", subject=subject, text=str(problem)))
    except Exception as error:  # the border of a check: the others go on, and the line says what broke
        text = f"the check itself failed ({type(error).__name__}); please report it with this line"
        lines.append(Line(state="FIX", subject=subject, text=text))
    answers.put((number, lines))


def _check_file(path: str) -> Iterator[Line]:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError:
        yield Line(state="FIX", subject="source", text=f"there is no file {path}; correct source.path")
    except IsADirectoryError:
        yield Line(state="FIX", subject="source", text=f"{path} is a folder; name the file in it")
    except OSError as error:
        yield Line(
            state="FIX", subject="source", text=f"{path} cannot be read ({error.strerror}); check owner and mode"
        )
    else:
        yield Line(state="OK", subject="source", text=f"{path} can be read")


def _late(subject: str, seconds: float) -> Line:
    return Line(state="FIX", subject=subject, text=f"no answer within {seconds:.0f} s; check address, network and load")
