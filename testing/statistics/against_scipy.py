#!/usr/bin/python3
"""Holds the gate's statistics (results/gate) against SciPy's on random data.

usage: against_scipy.py PROGRAM [SEED]

Where SciPy has no exact form (ties, zeros), the expectation is counted: all signs, or all choices.
"""
import itertools
import json
import subprocess
import sys

import numpy as np
from scipy import stats


def signed_rank_by_counting(x, shift):
    """Both one-sided p-values over all 2^n choices of signs, with mid-ranks; zeros left out."""
    d = np.asarray(x) - shift
    d = d[d != 0]
    if len(d) == 0:
        return [1.0, 1.0]
    ranks = stats.rankdata(np.abs(d))
    signs = np.array(list(itertools.product([0, 1], repeat=len(d))))
    sums = signs @ ranks
    seen = ranks[d > 0].sum()
    return [np.mean(sums >= seen - 1e-9), np.mean(sums <= seen + 1e-9)]


def rank_sum_by_counting(x, y, shift):
    ranks = stats.rankdata(np.concatenate([np.asarray(x) - shift, y]))
    seen = ranks[: len(x)].sum()
    sums = np.array([sum(c) for c in itertools.combinations(ranks, len(x))])
    return [np.mean(sums >= seen - 1e-9), np.mean(sums <= seen + 1e-9)]


def walsh(x):
    x = np.asarray(x)
    return [0.5 * (a + b) for i, a in enumerate(x) for b in x[i:]]


def interval_by_inverting(x, confidence):
    """The ends of the values of the centre that SciPy's exact test does not reject at half the tail each."""
    tail = (1 - confidence) / 2
    averages = np.sort(walsh(x))
    step = np.min(np.diff(averages)) / 3  # off the averages themselves, where the ranks change
    accepted = []
    for a in averages:
        for c in (a - step, a + step):
            p = [stats.wilcoxon(np.asarray(x) - c, alternative=alt, method="exact").pvalue for alt in ("greater", "less")]
            if min(p) > tail:
                accepted.append(c)
    return [min(accepted) - step, max(accepted) + step] if accepted else []


def holm(p, family):
    p = np.asarray(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate([(family - i) * p[k] for i, k in enumerate(order)]))
    return adjusted.tolist()


def cases(random):
    """Pairs of a question and what is right for it."""
    for n in list(range(1, 26)) + [32, 48]:
        x = random.normal(0.3, 1, n)
        shift = float(random.normal(0, 0.3))
        want = [stats.wilcoxon(x - shift, alternative=a, method="exact").pvalue for a in ("greater", "less")]
        yield {"what": "signed_rank", "x": x.tolist(), "shift": shift}, want
    for n in range(1, 13):  # ties, and values equal to the shift
        x = random.integers(-3, 5, n).astype(float)
        shift = float(random.integers(-1, 2))
        yield {"what": "signed_rank", "x": x.tolist(), "shift": shift}, signed_rank_by_counting(x, shift)
    for _ in range(30):
        x = random.normal(0, 1, random.integers(1, 9))
        y = random.normal(0.5, 1, random.integers(1, 9))
        shift = float(random.normal(0, 0.5))
        want = [stats.mannwhitneyu(x - shift, y, alternative=a, method="exact").pvalue for a in ("greater", "less")]
        yield {"what": "rank_sum", "x": x.tolist(), "y": y.tolist(), "shift": shift}, want
    for _ in range(15):
        x = random.integers(0, 4, random.integers(1, 6)).astype(float)
        y = random.integers(0, 4, random.integers(1, 6)).astype(float)
        yield {"what": "rank_sum", "x": x.tolist(), "y": y.tolist(), "shift": 1.0}, rank_sum_by_counting(x, y, 1.0)
    for n in (3, 5, 6, 7, 9, 12, 14):
        for confidence in (0.9, 0.95, 0.99):
            x = random.normal(0.02, 0.03, n)
            want = [np.median(walsh(x))] + interval_by_inverting(x, confidence)
            lowest = 2.0 ** -n
            if lowest > (1 - confidence) / 2:
                want = want[:1]  # so few values reject nothing: no interval
            yield {"what": "hodges_lehmann", "x": x.tolist(), "confidence": confidence}, want
    for _ in range(5):
        x, y = random.normal(1, 1, 7), random.normal(0, 1, 5)
        yield {"what": "shift_estimate", "x": x.tolist(), "y": y.tolist()}, [np.median(np.subtract.outer(x, y))]
    for p in (1e-12, 1e-4, 4e-4, 0.01, 0.3, 0.5, 0.9):
        z = float(random.normal(0, 3))
        yield {"what": "normal", "shift": z, "p": p}, [stats.norm.sf(z), stats.norm.isf(p)]
    for n in (1, 2, 5, 12, 25):
        p = (random.uniform(0, 1, n) ** 4).tolist()
        yield {"what": "holm", "x": p, "family": n + 3}, holm(p, n + 3)
        order = np.argsort(p)[::-1]
        want = np.empty(n)
        want[order] = np.minimum(1, np.minimum.accumulate([p[k] * n / (n - i) for i, k in enumerate(order)]))
        yield {"what": "benjamini_hochberg", "x": p}, want.tolist()
        x = random.normal(0, 1, n + 3)
        d = x - x.mean()
        yield {"what": "lag1", "x": x.tolist()}, [np.sum(d[1:] * d[:-1]) / np.sum(d * d)]
        yield {"what": "robust_sigma", "x": x.tolist()}, [1.4826 * stats.median_abs_deviation(x)]
    for n in (4, 11, 30):
        x = random.normal(0, 1, n)
        split = int(random.integers(1, n))
        m = n - split
        want = split * m / n * stats.energy_distance(x[:split], x[split:]) ** 2
        yield {"what": "energy", "x": x.tolist(), "split": split}, [want]


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    asked = list(cases(np.random.default_rng(seed)))
    text = json.dumps([question for question, _ in asked])
    done = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    wrong = 0
    for (question, want), answer in zip(asked, answers, strict=True):
        want = [float(w) for w in want]
        loose = 1e-6 if question["what"] == "hodges_lehmann" else 1e-9
        if answer is None or len(answer) != len(want) or not np.allclose(answer, want, rtol=loose, atol=1e-12):
            wrong += 1
            print(f"{question}\n  SciPy: {want}\n  ours:  {answer}")
    print(f"{len(asked)} cases of seed {seed}, {wrong} differ")
    return 1 if wrong or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
