"""What an ablation has done so far, beside its output: numbers and hashes, never a text. One JSON line per finished step.

A line is written and synced before the next ablation begins, so that a run that was killed anywhere goes on after the last
whole line. The first line says what the figures belong to; a run that asks something else is refused.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shadow.errors import ConfigurationError
from shadow.suites.ablate_effects import Measured

FILE = "ablation-state.jsonl"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The untouched engine as the first run met it: its layers and parts, hashes of its weights and of its answers."""

    model: str
    parts: list[list[str]]
    weights: list[str]
    answers: str
    repeated: int
    answered: int
    cases: int


class StateFile:
    """The state of one output folder. Owned by one run; raises ConfigurationError for a folder of another ablation."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._path = folder / FILE
        self.begun: Begun | None = None
        self.done: dict[str, Measured] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            data = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise ConfigurationError([f"--out: {folder} cannot be used ({error.strerror})"]) from None
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) != len(data):
            with self._path.open("r+b") as file:  # the line that a kill cut short
                file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._append({"version": _VERSION, "identity": identity})
            return
        try:
            self._read([json.loads(line) for line in lines], identity)
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError([f"--out: {self._path} is damaged; delete it, or give another folder"]) from None

    def begin(self, begun: Begun) -> None:
        """Keeps what the untouched engine is."""
        self.begun = begun
        self._append({"begun": asdict(begun)})

    def keep(self, one: Measured) -> None:
        """Keeps a finished ablation."""
        self.done[one.name] = one
        self._append({"done": asdict(one)})

    def _read(self, lines: list[Any], identity: Mapping[str, Any]) -> None:
        found = lines[0]["identity"]
        differs = sorted(key for key in {*found, *identity} if found.get(key) != identity.get(key))
        if lines[0]["version"] != _VERSION:
            differs = ["format of the file"]
        if differs:
            raise ConfigurationError(
                [
                    f"--out: {self._path} belongs to another ablation (differs in: {', '.join(differs)}); "
                    "give another folder, or delete the file to begin anew"
                ]
            )
        for line in lines[1:]:
            if "begun" in line:
                self.begun = Begun(**line["begun"])
            else:
                done = line["done"]
                done["scores"] = {
                    label: [None if pair is None else (pair[0], pair[1]) for pair in pairs]
                    for label, pairs in done["scores"].items()
                }
                tokens = done["output_tokens"]
                done["output_tokens"] = None if tokens is None else (tokens[0], tokens[1])
                self.done[done["name"]] = Measured(**done)

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
