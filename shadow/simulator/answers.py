"""The texts the simulator answers with: recorded ones by prompt, made-up ones from the prompt's hash."""

import json
import os
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from shadow.errors import ConfigurationError

# A chunk holds at most one word, hence at least one token of any real tokenizer: a limit in tokens that let an answer
# pass when it was recorded lets it pass here. Longer runs (tables, text without spaces) are split.
_CHUNK = re.compile(r"\s*\S{1,48}|\s+\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SENTENCE = (
    "the order was sent on monday and your account shows a refund of ten euros please open settings then choose billing "
    "to see each invoice if it does not arrive within five days write again with number so that we can check what "
    "happened thank you for waiting this step needs an administrator who may change access rights or reset password"
)
_WORDS = tuple(_SENTENCE.split())


def well_formed(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD, so that prompt, key and answer agree and can be encoded."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def chunks(text: str) -> list[str]:
    """Word-sized pieces whose concatenation is the text, byte for byte."""
    return _CHUNK.findall(text)


def draw(seed: int, purpose: str, prompt: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = blake2b(f"{seed}\0{purpose}\0{prompt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def invented(seed: int, prompt: str, tokens: int) -> list[str]:
    """A made-up answer of so many chunks, always the same for (seed, prompt)."""
    state = int.from_bytes(blake2b(f"{seed}\0answer\0{prompt}".encode(), digest_size=8).digest(), "big")
    words = []
    for _ in range(tokens):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        words.append(" " + _WORDS[(state >> 33) % len(_WORDS)])
    words[0] = words[0].strip().capitalize()
    return words


class Answers:
    """Recorded answers by prompt; the last one counts when a prompt stands twice."""

    def __init__(self, recorded: Mapping[str, str] | None = None) -> None:
        self._recorded = {well_formed(k): well_formed(v) for k, v in (recorded or {}).items()}
        self.repeated = 0

    def __len__(self) -> int:
        return len(self._recorded)

    def find(self, prompt: str) -> str | None:
        """The recorded answer of a prompt, None when nobody recorded one."""
        return self._recorded.get(prompt)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Answers":
        """Reads JSONL `{"prompt", "answer"}`. Raises ConfigurationError that names file and line, never quoting it."""
        answers, name = cls(), os.fspath(path)
        try:
            with Path(path).open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        answers._add(line, f"{name}:{number}")
        except OSError as error:
            raise ConfigurationError([f"{name}: cannot be read ({error.strerror}); check the path"]) from None
        return answers

    def _add(self, line: bytes, place: str) -> None:
        try:
            document = json.loads(line)
            prompt, answer = document["prompt"], document["answer"]
        except (ValueError, KeyError, TypeError, RecursionError):
            prompt = answer = None
        if not isinstance(prompt, str) or not isinstance(answer, str):
            raise ConfigurationError(
                [f'{place}: is not {{"prompt": "...", "answer": "..."}} on one line; mend or remove the line']
            )
        prompt = well_formed(prompt)
        self.repeated += prompt in self._recorded
        self._recorded[prompt] = well_formed(answer)
