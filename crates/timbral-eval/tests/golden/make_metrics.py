"""Writes metrics.json: small cases with the numbers of scikit-learn and SciPy.

Run with: pip install scikit-learn==1.9.1 numpy==2.4.6 && python make_metrics.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn import metrics as m


def calibration(y, p, n_bins=15):
    """ECE and MCE by their definition: bins (low, high] of the top probability."""
    top, right = p.max(axis=1), p.argmax(axis=1) == y
    gaps, weights = [], []
    for i in range(n_bins):
        inside = (top > i / n_bins) & (top <= (i + 1) / n_bins)
        if inside.any():
            gaps.append(abs(right[inside].mean() - top[inside].mean()))
            weights.append(inside.mean())
    return float(np.dot(gaps, weights)), float(max(gaps))


def case(name, y, p):
    k = p.shape[1]
    pred = p.argmax(axis=1)
    precision, recall, f1, support = m.precision_recall_fscore_support(
        y, pred, labels=range(k), zero_division=0
    )
    auc, ap = [], []
    for c in range(k):
        positive = y == c
        auc.append(float(m.roc_auc_score(positive, p[:, c])) if 0 < positive.sum() < len(y) else None)
        ap.append(float(m.average_precision_score(positive, p[:, c])) if positive.any() else None)
    average = lambda kind: [
        float(v) for v in m.precision_recall_fscore_support(y, pred, average=kind, zero_division=0)[:3]
    ]
    ece, mce = calibration(y, p)
    # Top-k with ties broken by the class order, as in the definition: the first of equal ones count as larger.
    order = np.argsort(-p, axis=1, kind="stable")
    top = {str(n): float(np.mean([t in row[:n] for t, row in zip(y, order)])) for n in (1, 2, 3)}
    return {
        "name": name,
        "truth": y.tolist(),
        "probabilities": p.tolist(),
        "accuracy": float(m.accuracy_score(y, pred)),
        "balanced_accuracy": float(m.balanced_accuracy_score(y, pred)),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "macro": average("macro"),
        "weighted": average("weighted"),
        "confusion": m.confusion_matrix(y, pred, labels=range(k)).tolist(),
        "roc_auc": auc,
        "average_precision": ap,
        "log_loss": float(m.log_loss(y, p, labels=range(k))),
        "brier": float(np.mean(((p - np.eye(k)[y]) ** 2).sum(axis=1))),
        "ece": ece,
        "mce": mce,
        "top_k": top,
    }


def main():
    rng = np.random.default_rng(7)
    cases = []
    for name, n, k, sharpness in [("five classes", 120, 5, 2.0), ("binary", 60, 2, 1.0), ("ten classes", 90, 10, 4.0)]:
        y = rng.integers(0, k, n)
        p = rng.dirichlet(np.ones(k), n) + sharpness * rng.random((n, 1)) * np.eye(k)[y] * 0.3
        p /= p.sum(axis=1, keepdims=True)
        cases.append(case(name, y, p))
    # Many equal scores in a column: multiples of one eighth.
    y = rng.integers(0, 4, 100)
    p = rng.multinomial(8, [0.25] * 4, 100) / 8.0
    cases.append(case("ties", y, p))
    # A class that never occurs and is never predicted, and one that is predicted but never occurs.
    y = np.array([0, 0, 1, 1, 0, 1, 1, 0])
    p = np.array([[6, 2, 2, 0], [2, 6, 2, 0], [1, 7, 2, 0], [2, 2, 6, 0], [9, 1, 0, 0], [4, 5, 1, 0], [5, 4, 1, 0], [3, 2, 5, 0]]) / 10
    cases.append(case("classes without rows", y, p))
    mcnemar = [
        {"only_first": a, "only_second": b, "p_value": float(binomtest(min(a, b), a + b).pvalue) if a + b else 1.0}
        for a, b in [(0, 0), (5, 5), (3, 9), (20, 41), (0, 12), (150, 220), (2, 1900)]
    ]
    text = json.dumps({"cases": cases, "mcnemar": mcnemar}, indent=None, separators=(",", ":"))
    Path(__file__).with_name("metrics.json").write_text(text + "\n")


main()
