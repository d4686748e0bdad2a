"""Text to counts of words or of their parts, and to their weights."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from .graph import Array, Graph, Node
from .registry import Step, refuses, transforms
from .table import Table

CLOSE = 1e-12
# Patterns that mean: a run of so many characters of words.
RUN = re.compile(r"(\(\?u\))?(\\b)?(?P<each>(\\w)+)\+(\\b)?")
NOT_TRANSLATED = ("preprocessor", "tokenizer")


@transforms("sklearn.feature_extraction.text.CountVectorizer")
def counts(step: Step, vectorizer: Any, table: Table) -> Table:
    """How often each term is there."""
    return _held(vectorizer, _counted(step, vectorizer, table))


@transforms("sklearn.feature_extraction.text.TfidfVectorizer")
def weighed_counts(step: Step, vectorizer: Any, table: Table) -> Table:
    """How often each term is there, by how rare it is."""
    node = _counted(step, vectorizer, table)
    return _held(vectorizer, _weighed(step, vectorizer, vectorizer._tfidf, node))


@transforms("sklearn.feature_extraction.text.TfidfTransformer")
def weights(step: Step, transformer: Any, table: Table) -> Table:
    """Counts by how rare their terms are."""
    node = _weighed(step, transformer, transformer, step.numbers(transformer, table))
    return Table.of(node, table.names).held(sparse=True)


refuses(
    "it keeps no list of terms, but hashes them",
    "Use CountVectorizer or TfidfVectorizer",
    "sklearn.feature_extraction.text.HashingVectorizer",
    "sklearn.feature_extraction.FeatureHasher",
)


def _held(vectorizer: Any, node: Node) -> Table:
    return Table.of(node, dtype=np.dtype(vectorizer.dtype).name).held(sparse=True)


def _weighed(step: Step, estimator: Any, weigher: Any, node: Node) -> Node:
    if np.dtype(getattr(estimator, "dtype", np.float64)) == np.float32:
        raise step.refuse(f"{type(estimator).__name__} computes in float32", "Use dtype=numpy.float64")
    step.graph.within(CLOSE)
    if weigher.sublinear_tf:
        node = step.graph.map(node, "log_count")
    if weigher.use_idf:
        node = step.graph.scale(node, multiply=weigher.idf_)
    if weigher.norm is None:
        return node
    return step.graph.node("normalize", [node], node.width, norm=weigher.norm)


def _counted(step: Step, vectorizer: Any, table: Table) -> Node:
    name = type(vectorizer).__name__
    for option in NOT_TRANSLATED:
        if getattr(vectorizer, option) is not None:
            raise step.refuse(f"its {option} is Python code", f"Use {option}=None")
    if vectorizer.input != "content":
        raise step.refuse(f"{name} reads files", 'Use input="content"')
    if len(table) != 1 or not table.columns[0].is_text:
        raise step.refuse(f"{name} reads {len(table)} columns: {', '.join(table.names[:4])}", "Give it one text column")
    terms = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    shortest, longest = vectorizer.ngram_range
    return step.graph.node(
        "tokens", [table.columns[0].node], len(terms),
        vocabulary=step.graph.text(terms), shortest=int(shortest), longest=int(longest),
        binary=_switch(vectorizer.binary), **_letters(step, vectorizer), **_unit(step, vectorizer),
    )  # fmt: skip


def _switch(value: Any) -> str:
    return "yes" if value else "no"


def _unit(step: Step, vectorizer: Any) -> dict[str, Any]:
    """What is counted: words with their pattern, or characters."""
    unit = vectorizer.analyzer
    if unit in ("char", "char_wb"):
        return {"unit": unit}
    if unit != "word":
        raise step.refuse("its analyzer is Python code", 'Use analyzer="word", "char" or "char_wb"')
    pattern = vectorizer.token_pattern
    run = RUN.fullmatch(pattern)
    if run is None:
        known = r'r"(?u)\b\w\w+\b" or r"(?u)\b\w+\b"'
        raise step.refuse(f"its token_pattern {pattern!r} is a regular expression of its own", f"Use {known}")
    stop = vectorizer.get_stop_words()
    return {
        "unit": "word", "minimum": len(run["each"]) // 2, "words": _ranges(step.graph, _is_word),
        "stop": step.graph.text(sorted(stop)) if stop else None,
    }  # fmt: skip


def _letters(step: Step, vectorizer: Any) -> dict[str, Any]:
    """What is done to characters before, as this Python does it."""
    told: dict[str, Any] = {"lowercase": _switch(vectorizer.lowercase)}
    if vectorizer.lowercase:
        told["unassigned"] = _ranges(step.graph, _is_unassigned)
    if vectorizer.strip_accents is None:
        return told
    if vectorizer.strip_accents not in ("ascii", "unicode"):
        raise step.refuse("its strip_accents is Python code", 'Use strip_accents="unicode", "ascii" or None')
    bare = _bare(vectorizer.strip_accents)
    is_ascii = vectorizer.strip_accents == "ascii"
    return {
        **told, "replace": step.graph.array([ord(character) for character in bare], "u32"),
        "by": step.graph.text(bare.values()), "others": "drop" if is_ascii else None,
    }  # fmt: skip


def _characters() -> Iterable[str]:
    """All but surrogates, which no text of a request has."""
    return (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)


def _is_word(character: str) -> bool:
    """What `\\w` matches."""
    return character.isalnum() or character == "_"


def _is_unassigned(character: str) -> bool:
    """Whether this Python's Unicode is older than the character."""
    return unicodedata.category(character) == "Cn"


@cache
def _codes(matches: Callable[[str], bool]) -> np.ndarray:
    codes = np.array([ord(character) for character in _characters() if matches(character)])
    starts = np.flatnonzero(np.diff(codes, prepend=-2) != 1)
    ends = np.append(starts[1:], len(codes)) - 1
    return np.stack([codes[starts], codes[ends]], axis=1).ravel()


def _ranges(graph: Graph, matches: Callable[[str], bool]) -> Array:
    """The first and the last of each range of characters that match."""
    return graph.array(_codes(matches), "u32")


@cache
def _bare(form: str) -> dict[str, str]:
    """The characters that accents are stripped of, as scikit-learn does it, and what is left of each."""
    found = {}
    for character in _characters():
        parts = unicodedata.normalize("NFKD", character)
        if form == "ascii":
            left = "".join(part for part in parts if part.isascii())
        else:
            left = "".join(part for part in parts if not unicodedata.combining(part))
        if left != character and (left or form == "unicode"):
            found[character] = left
    return found
