"""Text: counts and weights of terms, on real headings and on every character there is."""

from __future__ import annotations

import random
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import bikes
from scry import ExportError
from scry._export import export_graph
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union

CLOSE = 1e-12


def lines() -> list[str]:
    """Lines of the descriptions of two data sets: headings, tables, names, numbers."""
    told = load_breast_cancer().DESCR + load_wine().DESCR
    return [line for line in told.splitlines() if line.strip()]


def characters() -> list[str]:
    """Texts in which each character stands in words, alone, and at the ends, in no order."""
    drawn = random.Random(0)
    every = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    # Most of the rest are not assigned, and alike.
    some = [each for each in every if ord(each) < 0x3400 or 0xA000 <= ord(each) < 0xAC80 or ord(each) >= 0xF900]
    some = [each for each in some if ord(each) < 0x20000 or ord(each) % 997 == 0] + every[0x4E00:0xD7A4:37]
    drawn.shuffle(some)
    texts = []
    for start in range(0, len(some), 60):
        part = some[start : start + 60]
        spaced = [drawn.choice(["{}", "a{}", "{}b", "a{}b", "Σ{}", "{}Σ", " {} "]).format(each) for each in part]
        texts.append("".join(each + drawn.choice(["", "", " ", "\t ", "\u2028"]) for each in spaced))
    return texts


OPTIONS = {
    "plain": {},
    "as written": {"lowercase": False},
    "accents in Unicode": {"strip_accents": "unicode"},
    "accents in ASCII": {"strip_accents": "ascii"},
    "accents in capitals": {"strip_accents": "unicode", "lowercase": False},
    "pairs": {"ngram_range": (1, 2)},
    "pairs and triples": {"ngram_range": (2, 3), "binary": True},
    "stop words": {"stop_words": ["the", "of", "a"], "max_features": 200},
    "English stop words": {"stop_words": "english", "ngram_range": (1, 3), "min_df": 2},
    "short words": {"token_pattern": r"(?u)\b\w+\b"},
    "long words": {"token_pattern": r"\w\w\w\w+"},
    "characters": {"analyzer": "char", "ngram_range": (1, 3), "max_features": 5000},
    "characters of words": {"analyzer": "char_wb", "ngram_range": (2, 5), "max_features": 5000},
    "characters without accents": {"analyzer": "char", "strip_accents": "ascii", "ngram_range": (1, 2)},
    "a vocabulary": {"vocabulary": ["wine", "mean", "class"]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_counts(check, name):
    texts = lines()
    check(CountVectorizer(**OPTIONS[name]).fit(texts), texts, 0.0, name=f"CountVectorizer, {name}")


@pytest.mark.parametrize("name", OPTIONS)
def test_every_character(check, name):
    texts = characters()
    made = CountVectorizer(**{**OPTIONS[name], "max_features": 3000, "min_df": 1}).fit(texts)
    check(made, texts, 0.0, name=f"CountVectorizer, {name}, Unicode")


WEIGHTS = {
    "plain": {},
    "l1": {"norm": "l1", "sublinear_tf": True},
    "no norm": {"norm": None, "smooth_idf": False},
    "counts": {"use_idf": False, "stop_words": "english", "ngram_range": (1, 2)},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 4), "max_features": 1000},
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(check, name):
    texts = lines()
    check(TfidfVectorizer(**WEIGHTS[name]).fit(texts), texts, CLOSE, name=f"TfidfVectorizer, {name}")


def test_weights_of_counts(check):
    texts = lines()
    made = make_pipeline(CountVectorizer(), TfidfTransformer(sublinear_tf=True)).fit(texts)
    check(made, texts, CLOSE, name="TfidfTransformer")


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda texts: pl.Series("line", texts)])
def test_a_column_of_text_alone(check, kind):
    texts = kind(lines())
    long = np.array([len(line) > 60 for line in lines()])
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, long)
    check(model, texts, CLOSE, name="TfidfVectorizer, LogisticRegression")


def test_text_beside_other_columns(check):
    x, y = bikes(2000)
    x["note"] = "It is " + x["weathersit"] + ", in " + x["mnth"] + "; hour " + x["hr"].astype(str)
    steps = ColumnTransformer([
        ("words", TfidfVectorizer(ngram_range=(1, 2)), "note"), ("counts", CountVectorizer(binary=True), "weathersit"),
        ("numbers", "passthrough", ["hr", "weekday"]),
    ])  # fmt: skip
    check(make_pipeline(steps, Ridge()).fit(x, y), x, CLOSE, name="ColumnTransformer with text, Ridge")


def test_two_views_of_one_text(check):
    texts = lines()
    union = make_union(CountVectorizer(), TfidfVectorizer(analyzer="char", ngram_range=(2, 2)))
    model = make_pipeline(union, MultinomialNB()).fit(texts, np.arange(len(texts)) % 3)
    check(model, texts, CLOSE, name="FeatureUnion of text, MultinomialNB")


REFUSED = [
    (CountVectorizer(tokenizer=str.split, token_pattern=None), "its tokenizer is Python code. Use tokenizer=None"),
    (CountVectorizer(preprocessor=str.lower), "its preprocessor is Python code"),
    (CountVectorizer(analyzer=str.split), "its analyzer is Python code"),
    (CountVectorizer(strip_accents=str.strip), "its strip_accents is Python code"),
    (CountVectorizer(token_pattern=r"[a-z]+"), r"its token_pattern '\[a-z\]\+' is a regular expression of its own"),
    (TfidfVectorizer(dtype=np.float32), "TfidfVectorizer computes in float32"),
    (HashingVectorizer(), "HashingVectorizer cannot be exported.*Use CountVectorizer"),
]


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_what_is_not_translated(at):
    model, told = REFUSED[at]
    with pytest.raises(ExportError, match=told):
        export_graph(model.fit(lines()), lines())


def test_text_is_one_column():
    x = pd.DataFrame({"a": ["one two", "three"], "b": ["four", "five"]})
    model = CountVectorizer().fit(x["a"])
    with pytest.raises(ExportError, match="reads 2 columns: a, b. Give it one text column"):
        export_graph(model, x)
