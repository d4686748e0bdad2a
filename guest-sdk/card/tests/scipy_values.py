"""Writes scipy_values.json: what scipy says of real data, for stats/scipy.rs.

    python3 -m venv venv && venv/bin/pip install scipy scikit-learn
    venv/bin/python scipy_values.py

The data comes with scikit-learn (BSD-3-Clause): iris, wine and breast cancer
are from the UCI Machine Learning Repository (CC BY 4.0; Fisher 1936; Forina et
al. 1991; Wolberg, Mangasarian & Street 1995), diabetes from Efron, Hastie,
Johnstone & Tibshirani, "Least Angle Regression", 2004. The first half of the
rows of each column is the reference, the second half is live.
"""

import json
import pathlib

import numpy as np
from scipy import stats
from scipy.spatial import distance
from scipy.spatial.distance import jensenshannon
from scipy.special import gammaln, kolmogorov
from sklearn import datasets

BINS = 10
DISTINCT_NUMBERS_MAX = 20


def ks_p_value(d, n, m):
    root = np.sqrt(n * m / (n + m))
    return kolmogorov((root + 0.12 + 0.11 / root) * d)


def chi_square(p, q):
    table = np.array([p, q], dtype=float)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    small = expected < 5
    if small.any():
        pool, kept = table[:, small].sum(axis=1), table[:, ~small]
        is_small = pool.sum() * table.sum(axis=1).min() / table.sum() < 5
        table = kept if is_small else np.column_stack([kept, pool])
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return 0.0, 0, 1.0
    found = stats.chi2_contingency(table, correction=False)
    return found.statistic, found.dof, found.pvalue


def ln_dirichlet_multinomial(a, n):
    return gammaln(a.sum()) - gammaln(a.sum() + n.sum()) + (gammaln(a + n) - gammaln(a)).sum()


def ln_e(c, n):
    c, n = np.array(c, dtype=float), np.array(n, dtype=float)
    bets = [ln_dirichlet_multinomial(kappa * c / c.sum(), n) for kappa in (10, 100)]
    return np.logaddexp(*bets) - np.log(2) - ln_dirichlet_multinomial(c, n)


def by_chance(p, q):
    size = p.sum() * q.sum() / (p.sum() + q.sum())
    shares = (p + q) / (p.sum() + q.sum())
    of_poisson = lambda mean: stats.poisson(mean).expect(lambda k: abs(k - mean), maxcount=10_000)
    deviation = [of_poisson(share * size) * np.sqrt(1 - share) for share in shares if share > 0]
    return sum(deviation) / (2 * size)


def of_counts(p, q, last_spacing):
    p, q = np.array(p), np.array(q)
    share_p, share_q = p / p.sum(), q / q.sum()
    floor_p, floor_q = (np.where(share == 0, 1e-4, share) for share in (share_p, share_q))
    js = jensenshannon(share_p, share_q)
    # Of bins, the last has one spacing more. Of categories, each has its part of
    # the prior, and the last (all others) as much as came once.
    is_last = np.arange(len(p)) == len(p) - 1
    weights = p + (is_last if last_spacing else min(0.5, 10 / len(p)) + is_last * (p == 1).sum())
    statistic, dof, p_value = chi_square(p, q)
    return {
        "reference_counts": p.tolist(),
        "live_counts": q.tolist(),
        "psi": ((floor_p - floor_q) * np.log(floor_p / floor_q)).sum(),
        "js_distance": js,
        "jsd_bits": js**2 / np.log(2),
        "l_infinity": np.abs(share_p - share_q).max(),
        "total_variation": distance.cityblock(share_p, share_q) / 2,
        "total_variation_by_chance": by_chance(p, q),
        "chi_square": statistic,
        "chi_square_dof": dof,
        "chi_square_p_value": p_value,
        "ln_e": ln_e(np.append(weights, 0.5), np.append(q, 0)),
    }


def w_robust(reference, live, edges, counts):
    share = np.cumsum(counts)[:-1] / counts.sum()
    quantile = lambda q: np.interp(q, share, edges)
    scale = (quantile(0.75) - quantile(0.25)) / 1.349 or (quantile(0.9) - quantile(0.1)) / 2.563 or np.inf
    scale = max(min(scale, reference.std()), 1e-3)
    near = [np.clip(x, edges[0] - 3 * scale, edges[-1] + 3 * scale) for x in (reference, live)]
    return stats.wasserstein_distance(*near) / scale


def numeric(reference, live):
    ordered, n = np.sort(reference), len(reference)
    ranks = [(2 * n * j + BINS) // (2 * BINS) for j in range(1, BINS)]
    edges = np.unique([ordered[rank - 1] for rank in ranks])
    p, q = (np.bincount(np.searchsorted(edges, x, "left"), minlength=len(edges) + 1) for x in (reference, live))
    d = stats.ks_2samp(reference, live).statistic
    w = stats.wasserstein_distance(reference, live)
    return {
        "edges": edges.tolist(),
        "mean": reference.mean(),
        "std_dev": reference.std(),
        "ks_d": d,
        "ks_p_value": ks_p_value(d, len(reference), len(live)),
        "wasserstein": w,
        "w_norm": w / max(reference.std(), 1e-3),
        "w_robust": w_robust(reference, live, edges, p),
        **of_counts(p, q, last_spacing=True),
    }


def categorical(reference, live):
    values, counts = np.unique(reference, return_counts=True)
    p = np.append(counts, 0)
    q = [(live == value).sum() for value in values]
    return {"values": values.tolist(), **of_counts(p, [*q, len(live) - sum(q)], last_spacing=False)}


def column(name, values):
    half = len(values) // 2
    reference, live = values[:half], values[half:]
    few = len(np.unique(reference)) <= DISTINCT_NUMBERS_MAX
    found = {"categorical": categorical(reference, live)} if few else {"numeric": numeric(reference, live)}
    return {"name": name, "reference": reference.tolist(), "live": live.tolist(), **found}


def columns():
    for load, options, count in [
        (datasets.load_iris, {}, 4),
        (datasets.load_wine, {}, 13),
        (datasets.load_breast_cancer, {}, 5),
        (datasets.load_diabetes, {"scaled": False}, 6),
    ]:
        data = load(**options)
        for i in range(count):
            yield column(f"{load.__name__[5:]}: {data.feature_names[i]}", data.data[:, i])


def scalars():
    ks = [(d, n, m) for d in (0.001, 0.01, 0.05, 0.2, 0.9) for n, m in ((10, 7), (150, 100), (5000, 2000))]
    fisher = [
        [[0, 10], [5, 5]], [[3, 1], [1, 3]], [[0, 2000], [7, 93]], [[12, 1988], [25, 1975]], [[8, 2], [1, 5]],
        [[100, 900], [10, 90]], [[0, 0], [3, 4]], [[1, 0], [0, 1]], [[4000, 96000], [90, 1910]], [[50, 1], [1, 50]],
        [[150, 850], [0, 1000]],
    ]  # fmt: skip
    tables = [
        ([50, 30, 20], [40, 45, 15]), ([1, 2, 3, 100], [2, 1, 0, 90]), ([1000, 3, 2, 1], [500, 1, 0, 0]),
        ([10, 0, 20], [0, 10, 20]), ([4, 100], [3, 120]), ([300] * 40, [290, 310] * 20), ([1, 1], [1, 1]),
    ]  # fmt: skip
    evidence = [
        ([200] * 9 + [201, 0.5], [10, 12, 9, 11, 10, 8, 14, 7, 9, 10, 0]),
        ([200] * 9 + [201, 0.5], [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 0]),
        ([200] * 9 + [201, 0.5], [20] * 10 + [15]),
        ([0.5, 10.5, 900.5, 3.5], [4, 0, 1996, 0]),
    ]
    return {
        "ks_p_value": [{"input": case, "value": ks_p_value(*case)} for case in ks],
        "fisher_exact": [{"input": case, "value": stats.fisher_exact(case).pvalue} for case in fisher],
        "chi_square": [{"input": case, "value": chi_square(*case)[2]} for case in tables],
        "ln_e": [{"input": case, "value": ln_e(*case)} for case in evidence],
    }


def main():
    values = {"columns": list(columns()), **scalars()}
    path = pathlib.Path(__file__).with_suffix(".json")
    plain = json.dumps(values, default=lambda value: value.item(), separators=(",", ":"))
    path.write_text(plain.replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
