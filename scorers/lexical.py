"""Word and character overlap of two texts, as older evaluations report it: BLEU, GLEU, ROUGE, METEOR, chrF, F1, edit distance.

All are in [0, 1], 1 for equal texts, and bounded by `words.MAX_CHARS`. They do not see meaning (see `checks`); they are
here because existing assertion lists name them. Sources: Papineni 2002 (BLEU, smoothed by +1 from bigrams), Wu 2016
(GLEU), Lin 2004 (ROUGE), Banerjee 2005 (METEOR, exact and stem matches only), Popović 2015 (chrF, beta 2).
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from rapidfuzz.distance import LCSseq, Levenshtein

from scorers.words import analyse, capped, stem

Words = tuple[str, ...]


def _words(text: str) -> Words:
    return analyse(text).lower


def _grams(items: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(items[i : i + n]) for i in range(len(items) - n + 1))


def _f(precision: float, recall: float, beta: float = 1.0) -> float:
    weight = beta * beta
    return (1 + weight) * precision * recall / (weight * precision + recall) if precision + recall else 0.0


def word_f1(candidate: str, reference: str) -> float:
    """F1 of words as multisets."""
    return rouge_n(candidate, reference, 1)


def rouge_n(candidate: str, reference: str, n: int = 1) -> float:
    """F1 of n-grams."""
    a, b = _grams(_words(candidate), n), _grams(_words(reference), n)
    hits = sum((a & b).values())
    if not a or not b:
        return float(not a and not b)
    return _f(hits / sum(a.values()), hits / sum(b.values()))


def rouge_l(candidate: str, reference: str) -> float:
    """F1 of the longest common subsequence of words."""
    a, b = _words(candidate), _words(reference)
    if not a or not b:
        return float(a == b)
    common = LCSseq.similarity(a, b)
    return _f(common / len(a), common / len(b))


def bleu(candidate: str, reference: str) -> float:
    """BLEU-4 of one sentence: brevity penalty times the geometric mean of clipped precisions, +1 smoothed from n = 2."""
    a, b = _words(candidate), _words(reference)
    if not a or not b:
        return float(a == b)
    total = 0.0
    for n in range(1, 5):
        hits, count = sum((_grams(a, n) & _grams(b, n)).values()), max(0, len(a) - n + 1)
        plus = 0 if n == 1 else 1
        if hits + plus == 0 or count + plus == 0:
            return 0.0
        total += math.log((hits + plus) / (count + plus))
    return min(1.0, math.exp(total / 4) * math.exp(min(0.0, 1 - len(b) / len(a))))


def gleu(candidate: str, reference: str) -> float:
    """The smaller of precision and recall of all 1- to 4-grams."""
    a, b = _words(candidate), _words(reference)
    if not a or not b:
        return float(a == b)
    hits = sum(sum((_grams(a, n) & _grams(b, n)).values()) for n in range(1, 5))
    sizes = [sum(max(0, len(side) - n + 1) for n in range(1, 5)) for side in (a, b)]
    return hits / max(sizes)


def chrf(candidate: str, reference: str) -> float:
    """F2 of character 1- to 6-grams, spaces left out, averaged over the orders both sides have."""
    a, b = ("".join(capped(text)[0].lower().split()) for text in (candidate, reference))
    scores = []
    for n in range(1, 7):
        x, y = _grams(a, n), _grams(b, n)
        if x and y:
            hits = sum((x & y).values())
            scores.append(_f(hits / sum(x.values()), hits / sum(y.values()), beta=2))
    return sum(scores) / len(scores) if scores else float(a == b)


def meteor(candidate: str, reference: str) -> float:
    """METEOR with exact and stem matches (no synonyms): F-mean 10PR/(R+9P) times the penalty for scattered matches."""
    a, b = [stem(w) for w in _words(candidate)], [stem(w) for w in _words(reference)]
    if not a or not b:
        return float(a == b)
    if a == b:
        return 1.0
    places: dict[str, list[int]] = {}
    for i, word in enumerate(b):
        places.setdefault(word, []).append(i)
    matched: list[int] = []
    for word in a:
        free = places.get(word)
        if free:
            following = matched[-1] + 1 if matched else -1
            matched.append(free.pop(free.index(following)) if following in free else free.pop(0))
    if not matched:
        return 0.0
    chunks = 1 + sum(y != x + 1 for x, y in pairwise(matched))
    precision, recall = len(matched) / len(a), len(matched) / len(b)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (chunks / len(matched)) ** 3)


def levenshtein(candidate: str, reference: str) -> float:
    """1 minus the edit distance over the longer length, of characters; of words above 5,000 characters."""
    a, b = capped(candidate)[0], capped(reference)[0]
    if max(len(a), len(b)) > 5_000:
        return float(Levenshtein.normalized_similarity(_words(a), _words(b)))
    return float(Levenshtein.normalized_similarity(a, b))


def fuzzy(candidate: str, reference: str) -> float:
    """Share of common characters in order (2 LCS over both lengths), case and spacing folded."""
    a, b = (" ".join(capped(text, 5_000)[0].lower().split()) for text in (candidate, reference))
    return 2 * LCSseq.similarity(a, b) / (len(a) + len(b)) if a or b else 1.0
