"""The key an arm's server asks for: read from a file or the environment, never shown, read again when it is refused."""

import os
from pathlib import Path

from shadow.errors import ConfigurationError


class Credential:
    """One arm's `authorization` header. Raises ConfigurationError when its source is named but cannot be used."""

    def __init__(self, *, arm: str, api_key_file: str | None, api_key_env: str | None) -> None:
        self._arm = arm
        self._file = api_key_file
        self._env = api_key_env
        self._key = self._read()

    @property
    def header(self) -> str | None:
        """The header's value; None when this arm needs no key."""
        return None if self._key is None else f"Bearer {self._key}"

    def reread(self) -> bool:
        """Looks at the source again (keys are rotated). True when the key has changed; an unreadable source changes nothing."""
        try:
            key = self._read()
        except ConfigurationError:
            return False
        changed = key != self._key
        self._key = key
        return changed

    def _read(self) -> str | None:
        if self._file is not None:
            try:
                key = Path(self._file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text"
                raise self._problem(f"api_key_file {self._file!r} cannot be read: {reason}") from None
            source = f"api_key_file {self._file!r}"
        elif self._env is not None:
            key = os.environ.get(self._env, "").strip()
            source = f"api_key_env {self._env!r}"
        else:
            return None
        if not key:
            raise self._problem(f"{source} is empty or not set")
        if not key.isascii() or not key.isprintable():
            raise self._problem(f"{source} holds characters that no header may carry")
        return key

    def _problem(self, text: str) -> ConfigurationError:
        return ConfigurationError([f"{self._arm}: {text}"])
