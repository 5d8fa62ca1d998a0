"""Writes open_set.json, scores with scikit-learn's numbers, and level_distance.json of timbral-train, distances with NumPy's.

Run with: pip install scikit-learn==1.9.1 numpy==2.4.6 && python make_open_set.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.covariance import shrunk_covariance
from sklearn.metrics import roc_auc_score, roc_curve


def scores(name, known, outside):
    truth = np.r_[np.ones(len(known)), np.zeros(len(outside))]
    values = np.r_[known, outside]
    fpr, tpr, _ = roc_curve(truth, values, drop_intermediate=False)
    return {
        "name": name,
        "known": known.tolist(),
        "outside": outside.tolist(),
        "auroc": float(roc_auc_score(truth, values)),
        "fpr_at_95_tpr": float(fpr[np.argmax(tpr >= 0.95 - 1e-12)]),
    }


def distances(rng):
    """Mahalanobis distance to the nearest class mean, one shrunk covariance of the standardised values."""
    y = np.arange(60) % 3
    mixing = rng.normal(size=(7, 7))
    x = rng.normal(size=(60, 7)) @ mixing + 3 * rng.normal(size=(3, 7))[y] + 5
    queries = 4 * rng.normal(size=(10, 7)) + 5
    mean, scale = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / scale
    means = np.array([z[y == c].mean(axis=0) for c in range(3)])
    covariance = shrunk_covariance((z - means[y]).T @ (z - means[y]) / (len(z) - 1), shrinkage=0.1)
    inverse = np.linalg.inv(covariance)
    away = (queries - mean)[:, None] / scale - means[None]
    squared = np.einsum("qci,ij,qcj->qc", away, inverse, away)
    return {
        "contours": x.tolist(),
        "classes": y.tolist(),
        "queries": queries.tolist(),
        "distances": np.sqrt(squared.min(axis=1)).tolist(),
    }


def main():
    rng = np.random.default_rng(11)
    cases = [
        scores("apart", rng.normal(3, 1, 80), rng.normal(0, 1, 30)),
        scores("mixed", rng.normal(0, 1, 57), rng.normal(0, 2, 41)),
        scores("ties", rng.integers(0, 6, 90) / 4.0, rng.integers(0, 5, 33) / 4.0),
        scores("turned round", rng.normal(-1, 1, 20), rng.normal(1, 1, 20)),
        scores("one of each", np.array([0.5]), np.array([0.5])),
    ]
    here = Path(__file__).parent
    train = here / "../../../timbral-train/tests/golden"
    for path, content in [(here / "open_set.json", {"cases": cases}), (train / "level_distance.json", distances(rng))]:
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


main()
