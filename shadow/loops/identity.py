"""Who the incumbent says it is: a provider that swaps the model behind a name ends the evidence about the old one."""

from shadow.records import ArmOutcome

SAME_IN_A_ROW = 100
"""Answers in a row that name another model before it counts as a change: mixed traffic never reaches that."""


class IncumbentWatch:
    """Watches `model` and `system_fingerprint` of recorded answers. Owned by the writer's thread."""

    def __init__(self, known: str | None) -> None:
        self._known = known
        self._other: str | None = None
        self._count = 0

    @property
    def known(self) -> str | None:
        """The identity the present epochs are about; None before the first."""
        return self._known

    def see(self, outcome: ArmOutcome) -> str | None:
        """One recorded answer. A sentence when the incumbent has become another, else None."""
        answer = outcome.answer
        if outcome.failure is not None or answer.model is None:
            return None
        identity = (
            answer.model if answer.system_fingerprint is None else f"{answer.model} ({answer.system_fingerprint})"
        )
        if identity == self._known:
            self._other, self._count = None, 0
            return None
        self._count = self._count + 1 if identity == self._other else 1
        self._other = identity
        if self._count < SAME_IN_A_ROW:
            return None
        before, self._known = self._known, identity
        self._other, self._count = None, 0
        return f"the incumbent answers as {identity} now, before as {before}" if before is not None else ""
