from pathlib import Path

import pytest

from shadow.errors import ConfigurationError
from shadow.replay.credentials import Credential


def test_an_arm_without_a_key_sends_none() -> None:
    assert Credential(arm="a", api_key_file=None, api_key_env=None).header is None


def test_the_key_is_read_from_a_file_and_again_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one\n")
    credential = Credential(arm="a", api_key_file=str(file), api_key_env=None)
    assert credential.header == "Bearer one"
    assert not credential.reread()
    file.write_text("two")

    assert credential.reread()
    assert credential.header == "Bearer two"
    file.unlink()
    assert not credential.reread()
    assert credential.header == "Bearer two"


def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_KEY", "sesame")

    assert Credential(arm="a", api_key_file=None, api_key_env="ARM_KEY").header == "Bearer sesame"


@pytest.mark.parametrize("content", [b"", b" \n", b"sec\nret", b"s\xc3\xa9cret", b"\xff\xfe"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        Credential(arm="a", api_key_file=str(file), api_key_env=None)

    assert "api_key_file" in str(caught.value)
    assert "ret" not in str(caught.value)


def test_a_missing_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)

    with pytest.raises(ConfigurationError, match="NO_SUCH_KEY"):
        Credential(arm="a", api_key_file=None, api_key_env="NO_SUCH_KEY")
    with pytest.raises(ConfigurationError, match="No such file"):
        Credential(arm="a", api_key_file=str(tmp_path / "none"), api_key_env=None)
