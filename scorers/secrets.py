"""Finds credentials: provider keys by their form, private keys, tokens, assigned passwords, random strings in context.

A key's form alone is enough (`sk-`, `AKIA`, `ghp_`, ...); a random string counts only beside a word such as "key" or
"token", because hashes, ids and encoded images are everywhere in honest text.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from scorers.spans import SensitiveKind, Span, in_windows, resolve

_L = r"(?<![A-Za-z0-9])"
_FORMS: tuple[tuple[tuple[str, ...], SensitiveKind, str], ...] = (
    (
        ("sk-",),
        "api_key",
        _L + r"sk-(?:(?:proj|ant|svcacct|admin|or)-|(?=[A-Za-z_\-]{0,200}[0-9]))[A-Za-z0-9_\-]{16,200}",
    ),
    (
        ("AKIA", "ASIA", "AROA", "AIDA", "ABIA", "ACCA"),
        "api_key",
        r"(?<![A-Z0-9])(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])",
    ),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "api_key", _L + r"gh[pousr]_[A-Za-z0-9]{20,255}"),
    (("github_pat_",), "api_key", _L + r"github_pat_[A-Za-z0-9_]{20,255}"),
    (("glpat-", "gldt-", "glrt-", "glcbt-"), "api_key", _L + r"gl(?:pat|dt|rt|cbt)-[A-Za-z0-9_\-]{16,255}"),
    (("xox", "xapp-"), "token", _L + r"(?:xox[abeoprs]-|xapp-)[A-Za-z0-9\-]{10,255}"),
    (("hooks.slack.com",), "secret", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/\-]{16,255}"),
    (("discord",), "secret", r"discord(?:app)?\.com/api/webhooks/[0-9]{10,24}/[A-Za-z0-9_\-]{20,255}"),
    (("AIza",), "api_key", _L + r"AIza[A-Za-z0-9_\-]{30,45}"),
    (("ya29.",), "token", _L + r"ya29\.[A-Za-z0-9_\-]{16,1024}"),
    (("GOCSPX-",), "secret", _L + r"GOCSPX-[A-Za-z0-9_\-]{20,64}"),
    (("k_live_", "k_test_"), "api_key", _L + r"[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}"),
    (("whsec_",), "secret", _L + r"whsec_[A-Za-z0-9+/=]{16,255}"),
    (("hf_", "api_org_"), "api_key", _L + r"(?:hf_|api_org_)[A-Za-z0-9]{20,255}"),
    (("SG.",), "api_key", _L + r"SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16,128}"),
    (("npm_",), "token", _L + r"npm_[A-Za-z0-9]{30,255}"),
    (("pypi-",), "token", _L + r"pypi-[A-Za-z0-9_\-]{30,1024}"),
    (("SK", "AC"), "api_key", _L + r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    (("AccountKey=", "SharedAccessKey="), "api_key", r"(?:Account|SharedAccess)Key=[A-Za-z0-9+/=]{30,255}"),
    (("_v1_",), "token", _L + r"do[opr]_v1_[a-f0-9]{40,128}"),
    (
        ("gsk_", "r8_", "xai-", "nvapi-", "pplx-", "tgp_v1_", "fw_"),
        "api_key",
        _L + r"(?:gsk_|r8_|xai-|nvapi-|pplx-|tgp_v1_|fw_)(?=[A-Za-z_\-]{0,200}[0-9A-Z])[A-Za-z0-9_\-]{20,255}",
    ),
    (("dapi",), "api_key", _L + r"dapi[0-9a-f]{32}(?![A-Za-z0-9])"),
    (("hvs.", "hvb."), "token", _L + r"hv[sb]\.[A-Za-z0-9_\-]{20,255}"),
    (("AGE-SECRET-KEY-",), "private_key", r"AGE-SECRET-KEY-1[A-Z0-9]{40,80}"),
    (("shpat_", "shpca_", "shppa_", "shpss_"), "token", _L + r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{24,64}"),
    (
        ("lin_api_", "figd_", "NRAK-", "tskey-", "ATATT3", "sq0", "key-", "dop_", "EAAC"),
        "api_key",
        _L + r"(?:lin_api_|figd_|NRAK-|tskey-[a-z]{2,12}-|ATATT3|sq0(?:atp|csp)-|key-(?=[0-9a-f]{32})"
        r"|EAAC)[A-Za-z0-9_=\-]{20,255}",
    ),
    (("-us",), "api_key", _L + r"[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
    ((":AA",), "token", r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,36}"),
    (("eyJ",), "token", _L + r"eyJ[A-Za-z0-9_\-]{8,2048}\.[A-Za-z0-9_\-]{4,2048}(?:\.[A-Za-z0-9_\-]{0,1024})?"),
)
_PROVIDERS = tuple((triggers, kind, re.compile(pattern)) for triggers, kind, pattern in _FORMS)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:[A-Za-z0-9+/=:,\- .]|\\[nr]|\s){0,16384}")
_HEADER = re.compile(
    r"(?i)(?<![a-z0-9])(?P<scheme>bearer|basic|digest|token|apikey)[ \t:]{1,3}(?P<v>[A-Za-z0-9._~+/=\-]{12,2048})"
)
_NAME = (
    r"(?:pass(?:word|wort|wd|phrase|code)|pwd|psw|kennwort|mot de passe|contrase[ñn]a|senha|parola"
    r"|(?:client|app|aws|shared|signing|webhook|jwt)?[_\- ]?secret(?:[_\- ]?(?:access)?[_\- ]?key)?"
    r"|(?:api|access|auth|private|signing|encryption|service|license|account|master|subscription)[_\- ]?key"
    r"|(?:access|auth|api|refresh|bearer|session|security|csrf|bot)?[_\- ]?token|credentials?|pin(?: code)?|otp"
    r"|密码|密碼|パスワード|暗証番号|비밀번호|пароль)"
)
_ASSIGNED = re.compile(
    r"(?i)(?<![a-z])(?:[a-z0-9]{1,16}[_\-]){0,3}(?P<name>" + _NAME + r")(?:[_\-]?[a-z0-9]{0,8})[\"'`\\*\]]{0,4}\s{0,3}"
    r"(?P<link>:=|=>|==?|:|：|\bis\b|\bare\b|\bwas\b|\bist\b|\blautet\b|\best\b|\bes\b|\bé\b|は|是|\s)\s{0,3}\*{0,2}"
    r"(?:(?P<q>[\"'`\\“‘„«]{1,4})(?P<quoted>(?:[^\"'`\\\n”’“»]|\\[\"'](?=[^\s,:;}\])])){3,256})"
    r"|(?P<bare>[^\s\"'`,;<>()\[\]{}\\]{4,256}))"
)
_LOGIN = re.compile(r"(?<!\S)(?:-u|--user)[ =][\"']?(?P<v>[^\s:\"']{1,128}:[^\s\"']{3,128})")
# `password: correcthorse` alone on its line, as configuration files have it; talk about fields is left out.
_LINE = re.compile(
    r"(?im)^[ \t]*(?:[\w.\-]{0,32}[_.\-])?(?:password|passwd|passphrase|passwort|pwd)[ \t]*[:=][ \t]*"
    r"(?!(?:required|optional|string|str|text|none|null|true|false|yes|no|hidden|incorrect|invalid|wrong|reset"
    r"|changed?|strong|weak"
    r"|forgotten|password|unknown|empty|missing|varchar|char)\b)(?P<v>[^\s\"'`,;<>()\[\]{}$\\]{6,128})[ \t]*$"
)
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{20,512}={0,2}(?![A-Za-z0-9+/_=\-])")
_NAMED: tuple[tuple[re.Pattern[str], SensitiveKind], ...] = ((_LOGIN, "url_credentials"), (_LINE, "password"))
_RANDOM_CONTEXT = re.compile(r"(?i)key|token|secret|credential|passw|auth|signature|api|webhook|cookie|session")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_TRAIL = ".,:;!?*_)]}"


def looks_random(value: str) -> bool:
    """Digits and letters of at least two cases mixed, or long hexadecimal: nothing that a person writes as a word."""
    if len(set(value)) < 8 or _UUID.match(value):
        return False
    lower, upper, digit = (any(test(c) for c in value) for test in (str.islower, str.isupper, str.isdigit))
    if re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", value):
        return digit and (lower or upper) and len(value) >= 28
    switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(value))
    return digit and lower and upper and switches >= 4


def _secret_like(value: str, link: str) -> bool:
    digit, letter = any(c.isdigit() for c in value), any(c.isalpha() for c in value)
    symbol = any(c in "!@#$%^&*?~+" for c in value.rstrip("!?*"))
    if value.startswith(("$", "http", "/", "-", "process.", "os.", "config", "self.", "env")):
        return False
    if link in ("=", ":=", "=>", "==", ":", "：", "は", "是"):
        return (digit or symbol) and len(value) >= 4
    if link.strip():
        return len(value) >= 4 and ((digit and letter) or symbol or (digit and len(value) <= 12))
    return len(value) >= 8 and digit and letter  # "password hunter2" without a link word


def _assigned(text: str) -> Iterator[Span]:
    for match in _ASSIGNED.finditer(text):
        link, name = match["link"].strip().lower(), match["name"].lower()
        if match["quoted"] is not None:
            said = link in ("=", ":", ":=", "=>") or (link and name.startswith("pass"))
            if not link or (" " in match["quoted"].strip() and not said):
                continue
            start, end = match.span("quoted")
        else:
            start, end = match.span("bare")
            while end > start and text[end - 1] in _TRAIL:
                end -= 1
            if name.startswith(("pin", "otp")) and not text[start:end].isdigit():
                continue
            if not _secret_like(text[start:end], link):
                continue
        if end > start:
            yield Span(start, end, "password" if name.startswith(("pass", "pwd", "psw", "pin")) else "secret")


def _is_header_token(value: str, *, bearer: bool) -> bool:
    """No word of prose: digits in it, case mixed inside, or longer than words are."""
    if any(c.isdigit() for c in value) and len(value) >= 16:
        return True
    mixed = any(c.isupper() for c in value[1:]) and any(c.islower() for c in value)
    return (bearer and (mixed or len(value) >= 24)) or (mixed and value.endswith("="))


def _window(text: str) -> Iterator[Span]:
    for triggers, kind, pattern in _PROVIDERS:
        if any(trigger in text for trigger in triggers):
            for match in pattern.finditer(text):
                yield Span(*match.span(), kind)
    for match in _HEADER.finditer(text):
        value = match["v"].rstrip(_TRAIL)
        if _is_header_token(value, bearer=match["scheme"].lower() == "bearer"):
            yield Span(match.start("v"), match.start("v") + len(value), "token")
    yield from _assigned(text)
    for pattern, kind in _NAMED:
        for match in pattern.finditer(text):
            yield Span(*match.span("v"), kind)
    for match in _RANDOM.finditer(text):
        if looks_random(match[0]) and _RANDOM_CONTEXT.search(text, max(0, match.start() - 48), match.start()):
            yield Span(*match.span(), "secret")


def _blocks(text: str) -> Iterator[Span]:
    at = 0
    while (begin := _KEY_BLOCK.search(text, at)) is not None:
        end = _KEY_END.search(text, begin.end(), begin.end() + 32_768)
        body = _KEY_BODY.match(text, begin.end())
        at = end.end() if end else (body.end() if body else begin.end())
        yield Span(begin.start(), at, "private_key")


_TOKEN = re.compile(r"[A-Za-z0-9+/_=\-]*")


def find(text: str) -> list[Span]:
    """Spans of credentials, disjoint and in order; an empty list where there are none. Never raises."""
    found = list(in_windows(text, _window))
    if "-----BEGIN" in text:
        found += _blocks(text)
    longer: list[Span] = []
    for span in resolve(found):
        end = span.end
        if (
            span.category in ("api_key", "token")
            and end - span.start >= 128
            and (not longer or longer[-1].end <= span.start)
        ):
            rest = _TOKEN.match(text, end)
            end = rest.end() if rest else end
        longer.append(Span(span.start, end, span.category))
    return resolve(longer)
