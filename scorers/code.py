"""Code compared by what it says: syntax trees for Python, tokens for the rest; never executed, always bounded."""

import ast
import re
import warnings
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rapidfuzz.distance import LCSseq

from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.running import one_by_one
from scorers.words import MAX_CHARS

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.S)
_COMMENT = re.compile(r"(?m)(?:(?<![:\w\"'])//[^\n]*|(?<![\w\"'&])#(?!include)[^\n]*|^\s*--\s[^\n]*)|/\*.*?\*/", re.S)
_TOKEN = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|\w+|[^\w\s]")
_SQL = re.compile(r"^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE)\b", re.I)
Verdict = Literal["equal", "same", "flagged", "unknown"]
NEAR = 0.6


def code_of(text: str) -> str:
    """The fenced blocks of an answer joined, or the whole text when it has none; at most 20,000 characters."""
    kept = text[:MAX_CHARS]
    blocks = _FENCE.findall(kept)
    return "\n".join(blocks) if blocks else kept.strip().strip("`")


class _Renamed(ast.NodeTransformer):
    """Gives arguments and assigned names of a tree neutral names in order of appearance; drops docstrings."""

    def __init__(self, own: set[str]) -> None:
        self.names: dict[str, str] = {}
        self.own = own

    def _name(self, name: str) -> str:
        return self.names.setdefault(name, f"v{len(self.names)}") if name in self.own else name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._name(node.arg), None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node


def python_form(code: str) -> str | None:
    """The syntax tree of Python code with local names made neutral, or None when it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            own |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
            return ast.dump(_Renamed(own).visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _tokens(code: str) -> list[str]:
    tokens = _TOKEN.findall(_COMMENT.sub(" ", code))
    if _SQL.match(code):
        tokens = [t if t[0] in "\"'" else t.lower() for t in tokens]
    return [t.replace('"', "'") if t[0] in "\"'" else t for t in tokens if t not in ";`"]


def compare_code(a: str, b: str) -> tuple[float, Verdict, str]:
    """(value, verdict, reason) of two answers that hold code."""
    code_a, code_b = code_of(a), code_of(b)
    tokens_a, tokens_b = _tokens(code_a), _tokens(code_b)
    if max(len(a), len(b)) > MAX_CHARS and a != b and tokens_a == tokens_b:
        return 0.5, "unknown", "equal in the 20000 characters that are looked at"
    if tokens_a == tokens_b:
        return 1.0, "equal", "equal code"
    form_a = python_form(code_a)
    form_b = python_form(code_b) if form_a is not None else None
    if form_a is not None and form_a == form_b:
        return 1.0, "equal", "equal syntax trees"
    ratio = LCSseq.normalized_similarity(tokens_a, tokens_b)
    if form_a is not None and form_b is None and len(tokens_a) > 3:
        return 0.2, "flagged", "the candidate's code does not parse"
    if ratio >= NEAR:
        return 0.2, "flagged", "nearly the same code with a difference in what it does"
    return 0.3 + 0.4 * ratio, "unknown", "different code; only running its tests could tell"


class Settings(BaseModel):
    """`code` has no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Code:
    """Compares the code in both answers. Labels: equal, flagged, unknown."""

    kind: ScorerKind = "comparative"
    version = "1"

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        if case.incumbent is None or not case.incumbent.text.strip():
            return Score(value=None, label="unknown", reason="no incumbent code to compare with")
        value, label, reason = compare_code(case.incumbent.text, case.candidate.text)
        if label == "unknown":
            return Score(value=None, label=label, reason=reason)
        found = (Finding(category="code"),) if label == "flagged" else ()
        return Score(value=value, label=label, reason=reason, findings=found)


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Code:
    """The scorer under its name."""
    return Code(name or "code")
