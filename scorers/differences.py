"""What changed between two texts: aligned passages and the edits inside them, by longest common subsequence of words."""

from dataclasses import dataclass

from rapidfuzz.distance import LCSseq

from scorers.words import Analysed, stem

MINIMAL_EDIT = 0.6
"""Share of common words from which two passages count as one passage with edits rather than as a rewording."""
MAX_SENTENCES = 80
_MIN_SENTENCE_WORDS = 3
_SHARED = 0.4  # distinct common words below which no common subsequence can reach MINIMAL_EDIT, repeats allowed for
_MIN_INSIDE_WORDS = 3
_INSIDE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`before` was replaced by `after` (words as written); `initial`: it opens a sentence; `at`, `to`: word positions."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    initial: bool
    at: int
    to: int
    sentence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """An aligned part of both texts. `ratio` is 2 LCS / (words of both)."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    ratio: float
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """`whole`: both texts align as they stand. `lost` and `gained` are sentences without a counterpart (by number)."""

    ratio: float
    whole: bool
    passages: tuple[Passage, ...]
    lost: tuple[int, ...]
    gained: tuple[int, ...]


def _edits(a: Analysed, b: Analysed, ia: list[int], ib: list[int]) -> tuple[float, tuple[Edit, ...]]:
    la, lb = [a.lower[i] for i in ia], [b.lower[i] for i in ib]
    codes = LCSseq.opcodes(la, lb)
    common = sum(c.src_end - c.src_start for c in codes if c.tag == "equal")
    merged: list[list[int]] = []
    for c in codes:
        if c.tag == "equal":
            continue
        if merged and merged[-1][1] == c.src_start and merged[-1][3] == c.dest_start:
            merged[-1][1], merged[-1][3] = c.src_end, c.dest_end
        else:
            merged.append([c.src_start, c.src_end, c.dest_start, c.dest_end])
    edits = []
    for s0, s1, d0, d1 in merged:
        position = ia[s0] if s0 < len(ia) else (ia[-1] if ia else 0)
        sentence = a.sentence_of[position] if a.sentence_of else 0
        before_start = s0 == 0 or (s0 < len(ia) and a.sentence_of[ia[s0]] != a.sentence_of[ia[s0 - 1]])
        after_start = d0 == 0 or (d0 < len(ib) and b.sentence_of[ib[d0]] != b.sentence_of[ib[d0 - 1]])
        edits.append(
            Edit(
                before=tuple(a.words[i] for i in ia[s0:s1]),
                after=tuple(b.words[i] for i in ib[d0:d1]),
                initial=before_start or after_start,
                at=s0,
                to=d0,
                sentence=sentence,
            )
        )
    return 2 * common / max(1, len(la) + len(lb)), tuple(edits)


def compare(a: Analysed, b: Analysed) -> Differences:
    """Aligns two texts: as a whole where they share most words, else sentence by sentence."""
    short, long = sorted((len(a.words), len(b.words)))
    ratio = 2 * LCSseq.similarity(a.lower, b.lower) / max(1, short + long)
    common = ratio * (short + long) / 2
    inside = short >= _MIN_INSIDE_WORDS and long <= 3 * short and common >= _INSIDE * short
    if ratio >= MINIMAL_EDIT or inside:
        _, edits = _edits(a, b, list(range(len(a.words))), list(range(len(b.words))))
        passage = Passage(before=a.lower, after=b.lower, ratio=ratio, edits=edits)
        return Differences(ratio=ratio, whole=True, passages=(passage,), lost=(), gained=())
    return _by_sentence(a, b, ratio)


def _by_sentence(a: Analysed, b: Analysed, ratio: float) -> Differences:
    rows_a, rows_b = a.sentence_words()[:MAX_SENTENCES], b.sentence_words()[:MAX_SENTENCES]
    stems_a = [[stem(a.lower[i]) for i in row] for row in rows_a]
    stems_b = [[stem(b.lower[i]) for i in row] for row in rows_b]
    sets_a, sets_b = [set(x) for x in stems_a], [set(y) for y in stems_b]
    pairs = sorted(
        (
            (2 * LCSseq.similarity(x, y) / (len(x) + len(y)), i, j)
            for i, x in enumerate(stems_a)
            if len(x) >= _MIN_SENTENCE_WORDS
            for j, y in enumerate(stems_b)
            if len(y) >= _MIN_SENTENCE_WORDS and 2 * len(sets_a[i] & sets_b[j]) >= _SHARED * (len(x) + len(y))
        ),
        reverse=True,
    )
    used_a: set[int] = set()
    used_b: set[int] = set()
    passages: list[Passage] = []
    for similarity, i, j in pairs:
        if similarity < MINIMAL_EDIT or i in used_a or j in used_b:
            continue
        used_a.add(i)
        used_b.add(j)
        share, edits = _edits(a, b, rows_a[i], rows_b[j])
        before, after = tuple(a.lower[k] for k in rows_a[i]), tuple(b.lower[k] for k in rows_b[j])
        passages.append(Passage(before=before, after=after, ratio=share, edits=edits))
    lost = tuple(i for i in range(len(rows_a)) if i not in used_a)
    gained = tuple(j for j in range(len(rows_b)) if j not in used_b)
    return Differences(ratio=ratio, whole=False, passages=tuple(passages), lost=lost, gained=gained)
