"""Reads a text as checks need it: capped, normalised, split into sentences and words; every step linear in the text.

Model output is hostile data. Nothing here looks at more than `MAX_CHARS` characters of it, and whoever uses an `Analysed`
text can say so in the reason through `cut`.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

MAX_CHARS = 20_000
"""Characters of one text that are looked at: about 3,500 words, twice the longest usual answer."""

_QUOTES = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": ", ",
        "\u2212": "-",
        "\u2010": "-",
        "\u2011": "-",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2026": "...",
    }
)
# zero-width and bidirectional marks change what is seen but carry no words
_MARKS = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LIST_MARK = re.compile(r"^[ \t]*(?:\(?\d{1,3}[.)](?=[ \t])|[-*+•·][ \t]|#{1,6}[ \t]|>[ \t])", re.M)
_INLINE_LIST_MARK = re.compile(r"(?<=[\s:])(?<!\d:)\(?\d{1,2}[.)](?=[ \t]+[A-Z*`])")
_FIRST_MARK = re.compile(r"(?<![\d.,:])1[.)][ \t]")
_MARK_LIKE = re.compile(r"\d[.)][ \t]")
_MARKDOWN = re.compile(r"[*_`~]{1,3}")
# These begin with what is rare in a text (a digit, a full stop, an apostrophe) and look back from there: the search
# then skips from one such character to the next, which is several times as fast as a try at every position.
_ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)\b", re.I)
_SHORTENED = ("Dr", "Mr", "Mrs", "Ms", "Prof", "Jr", "Sr", "vs", "No", "approx", "e.g", "i.e", "a.m", "p.m")
_ABBREVIATION = re.compile(r"\.(?=\s)(?:" + "|".join(f"(?<={re.escape(word)}\\.)" for word in _SHORTENED) + ")")
_SENTENCE_END = re.compile(
    r"[\"')\]\s](?:(?<=[.!?][\"')\]])[\"')\]]*\s+(?=[^a-z])|(?<=[.!?]\s)\s*(?=[^a-z])|(?<=\n)\n*|(?<=;\s)\s*)"
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+(?:[.,:/]\d+)*|[%$€£¥°]")
_CLITIC = re.compile(r"'(?<=[A-Za-z]')(?:re|ve|ll|m|d)\b", re.I)
_IS = re.compile(r"'s\b", re.I)
# a bound, not a negation
_COMPARED = (
    (re.compile(r"\b[Nn]o(?:t)? (?:fewer|less) than\b"), "at least"),
    (re.compile(r"\b[Nn]o(?:t)? more than\b"), "at most"),
    (re.compile(r"\b[Nn]o(?:t)? later than\b"), "within"),
    (re.compile(r"\b(?:(?:[Dd]o|must|may|should|can|will) not|never) exceed\b"), "take at most"),
)
_WHO_IS = re.compile(r"\b(it|that|there|here|what|he|she|who|where|let)\Z", re.I)
_WHO_IS_CHARS = 6  # the longest of these words and the character before it
_CLITICS = {"re": " are", "ve": " have", "ll": " will", "m": " am", "d": " would"}
# plain replacement is ten times as fast as one expression over every position
_NOT = (
    ("can't", "can not"),
    ("Can't", "Can not"),
    ("cannot", "can not"),
    ("Cannot", "Can not"),
    ("won't", "will not"),
    ("Won't", "Will not"),
    ("shan't", "shall not"),
    ("ain't", "is not"),
    ("n't", " not"),
    ("N'T", " NOT"),
)


def capped(text: str, limit: int = MAX_CHARS) -> tuple[str, bool]:
    """The first `limit` characters, lone surrogates replaced, and whether something was left out."""
    return _SURROGATES.sub("\ufffd", text[:limit]), len(text) > limit


def plain(text: str) -> str:
    """One spelling of quotes, dashes and spaces, without marks that nobody sees; compatibility forms folded (NFKC)."""
    if text.isascii():
        return text
    folded = unicodedata.normalize("NFKC", _MARKS.sub("", text))
    return folded.translate(_QUOTES)[: 2 * MAX_CHARS]


def expanded(text: str) -> str:
    """Contractions written out, so that "isn't" and "is not" are the same words."""
    if "'" not in text and "annot" not in text:
        return text
    for contraction, written in _NOT:
        text = text.replace(contraction, written)
    if "'" not in text:
        return text
    text = _CLITIC.sub(lambda m: _CLITICS[m[0][1:].lower()], text)
    if "'s" not in text:
        return text
    return _IS.sub(_is, text)


def _is(match: re.Match[str]) -> str:
    """The verb that "'s" stands for after a pronoun; elsewhere it is a genitive and stays."""
    start = match.start()
    who = _WHO_IS.search(match.string[max(0, start - _WHO_IS_CHARS) : start])
    if who is None:
        return match[0]
    return " us" if who[1].lower() == "let" else " is"


def _without_emphasis(match: re.Match[str]) -> str:
    """Nothing for a mark of formatting; the mark itself inside a name ("a_b") or between spaces ("2 * 3")."""
    text, start, end = match.string, match.start(), match.end()
    before, after = text[start - 1 : start], text[end : end + 1]
    mark = match[0][0]
    if mark == "_" and before.isalnum() and after.isalnum():
        return match[0]
    if mark == "*" and not before.strip() and not after.strip():
        return match[0]
    return match[0] if match[0] == "~" else ""


def unformatted(text: str) -> str:
    """The text without list markers, headings, emphasis and ordinal endings ("4th")."""
    if any(mark in text for mark in "*_`~"):
        text = _MARKDOWN.sub(_without_emphasis, text)
    counts = _FIRST_MARK.search(text)  # a list counts from one; "over 45. Let us know" is none
    text = _LIST_MARK.sub(" ", _ORDINAL.sub(r"\1", text))
    return _INLINE_LIST_MARK.sub(" ", text) if counts and _MARK_LIKE.search(text) else text


_ROLES = frozenset(
    [
        "addressee",
        "appointee",
        "assignee",
        "bailee",
        "borrowee",
        "consignee",
        "detainee",
        "employee",
        "examinee",
        "franchisee",
        "grantee",
        "indorsee",
        "interviewee",
        "lessee",
        "licensee",
        "mentee",
        "mortgagee",
        "nominee",
        "obligee",
        "offeree",
        "patentee",
        "payee",
        "permittee",
        "pledgee",
        "promisee",
        "sublessee",
        "trainee",
        "transferee",
        "trustee",
        "vendee",
    ]
)
"""Not the same as the one who employs, pays, trains: these keep their ending."""


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A crude English stem: "refunds", "refunded", "refunding" and "refund" are one. For comparing, never for showing."""
    for ending in ("'s", "'"):
        word = word.removesuffix(ending)
    if len(word) <= 3:
        return word
    if word.removesuffix("s") in _ROLES:
        return word.removesuffix("s")
    for ending, least in (("ations", 4), ("ation", 4), ("ments", 4), ("ment", 4), ("ingly", 4), ("edly", 4)):
        if word.endswith(ending) and len(word) - len(ending) >= least:
            return word[: -len(ending)].rstrip("ei")
    for ending in ("ies", "ied", "ing", "ed", "es", "ly", "er", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not (ending == "s" and word.endswith("ss")):
            cut = word[: -len(ending)]
            if ending == "er" and len(cut) < 4:  # "offer", "never" are no comparatives
                break
            if ending in ("ing", "ed", "er") and len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "lsz":
                cut = cut[:-1]
            return cut.rstrip("eiy") or cut
    return word


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """One text, read once: the words as written (`words`), in lower case (`lower`), and the sentence each stands in."""

    text: str
    cut: bool
    words: tuple[str, ...]
    lower: tuple[str, ...]
    sentence_of: tuple[int, ...]
    sentences: tuple[str, ...]

    def sentence_words(self) -> list[list[int]]:
        """Positions of the words of each sentence."""
        rows: list[list[int]] = [[] for _ in self.sentences]
        for position, sentence in enumerate(self.sentence_of):
            rows[sentence].append(position)
        return rows


def sentences_of(text: str) -> list[str]:
    """Sentences and lines with at least one word."""
    return [part for part in _SENTENCE_END.split(text) if part and _WORD.search(part)]


def analyse(text: str) -> Analysed:
    """Reads at most `MAX_CHARS` characters of a text."""
    kept, cut = capped(text)
    clean = plain(kept)
    body = _ABBREVIATION.sub("", expanded(unformatted(clean)))
    if " free of " in body:
        body = body.replace(" free of ", " without ")
    if "than" in body or "exceed" in body:
        for pattern, written in _COMPARED:
            body = pattern.sub(written, body)
    sentences: list[str] = []
    words: list[str] = []
    of: list[int] = []
    for sentence in _SENTENCE_END.split(body):
        found = _WORD.findall(sentence)
        if found:
            words += found
            of += [len(sentences)] * len(found)
            sentences.append(sentence)
    return Analysed(
        text=clean,
        cut=cut,
        words=tuple(words),
        lower=tuple(map(str.lower, words)),
        sentence_of=tuple(of),
        sentences=tuple(sentences),
    )


_NOISE = re.compile(r"[^\w%$€£¥°.+<>=!?&|^~/*@-]+")
_FLAG = re.compile(r"(?<!\S)-[A-Z]\b")


def normalised(text: str) -> str:
    """One spelling of a text: case, spaces, formatting and most punctuation do not count. Linear; never caps."""
    body = expanded(unformatted(plain(_SURROGATES.sub("\ufffd", text[:MAX_CHARS]))))
    spaced = " ".join(part for part in (p.rstrip(".!?") for p in _NOISE.split(body.lower())) if part)
    spaced += "".join(_FLAG.findall(body))  # -d and -D are different options
    return spaced + (text[MAX_CHARS:] if len(text) > MAX_CHARS else "")
