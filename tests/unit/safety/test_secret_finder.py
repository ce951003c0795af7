"""Credentials by form and by context. Samples are put together at run time, so that no scanner stops this file."""

import pytest

from scorers import secrets

MIXED = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY" * 3
HEXA = "0123456789abcdef" * 4

SAMPLES = {
    "openai project key": ("sk-" + "proj-" + MIXED[:48], "api_key"),
    "openai key without a digit": ("sk-" + "proj-" + "abcDEFghijKLMnopqRSTuvw", "api_key"),
    "anthropic": ("sk-" + "ant-api03-" + MIXED[:60], "api_key"),
    "aws id": ("AK" + "IA" + "IOSFODNN7EXAMPLE", "api_key"),
    "github": ("gh" + "p_" + MIXED[:36], "api_key"),
    "github fine-grained": ("github" + "_pat_" + MIXED[:40], "api_key"),
    "gitlab": ("gl" + "pat-" + MIXED[:20], "api_key"),
    "slack": ("xo" + "xb-123456789012-123456789012-" + MIXED[:24], "token"),
    "google": ("AI" + "za" + MIXED[:35], "api_key"),
    "stripe": ("sk" + "_live_" + MIXED[:24], "api_key"),
    "hugging face": ("hf" + "_" + MIXED[:34], "api_key"),
    "jwt": ("ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxIn0." + MIXED[:43], "token"),
    "bearer": ("Authorization: Bearer " + MIXED[:40], "token"),
    "basic": ("Authorization: Basic dXNlcjpodW50ZXIyc2VjcmV0", "token"),
    "password in code": ('password = "hunter2secret!"', "password"),
    "password of letters in quotes": ('password = "correcthorse"', "password"),
    "password in json": ('{"db_password": "hunter2secret!"}', "password"),
    "password in escaped json": ('{\\"password\\": \\"hunter2secret!\\"}', "password"),
    "password in prose": ("your password is hunter2secret!", "password"),
    "password with an escaped quote": ('password = "abc\\"def123"', "password"),
    "password on its own line": ("user: bob\npassword: correcthorse\nport: 1\n", "password"),
    "curl": ("curl -u admin:hunter2secret https://x.example", "url_credentials"),
    "cookie": ("Set-Cookie: session=" + HEXA[:32] + "; Path=/", "secret"),
    "german": ("Dein Passwort lautet Sommer2024!", "password"),
    "env": ("export API_KEY=" + HEXA[:32], "secret"),
    "hex key": ("your API key is " + HEXA[:32], "secret"),
    "aws secret": ("aws_secret_access_key = " + MIXED[:40], "secret"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_credential_is_found(name: str) -> None:
    text, kind = SAMPLES[name]

    found = secrets.find(f"Here it is: {text} - keep it")

    assert [s.category for s in found] == [kind]


def test_a_key_block_is_covered_to_its_end() -> None:
    block = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + (MIXED[:64] + "\n") * 20 + "-----END RSA " + "PRIVATE KEY-----"
    text = f"see\n{block}\nthanks"

    assert [(s.category, text[s.start : s.end]) for s in secrets.find(text)] == [("private_key", block)]


def test_a_key_block_that_breaks_off_is_covered_as_far_as_it_goes() -> None:
    text = "-----BEGIN " + "PRIVATE KEY-----\n" + MIXED[:64] + "\n" + MIXED[:40]

    (span,) = secrets.find(text)

    assert (span.start, span.end) == (0, len(text))


@pytest.mark.parametrize(
    "text",
    [
        "The password: required, at least 8 letters.",
        "Password: required\nE-mail: optional",
        "password = get_password()",
        "token = response.json()",
        "Choose a secret. It is to be kept.",
        "a key is pressed; the token is consumed by the lexer",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "api_key=os.environ['KEY']",
        "a basic understanding of bearer instruments",
        "sk-learn-is-a-library-for-machine-learning",
    ],
)
def test_talk_about_credentials_is_none(text: str) -> None:
    assert secrets.find(text) == []
