"""Makes scikit-learn's folds of a table of GTZAN and says what its pipelines reach on them.

Run from the root of the workspace; FOLDER holds features_30_sec.csv and mel_index.csv:

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python benches/compare_sklearn.py FOLDER --folds folds.csv
    cargo run --release -p training --example compare -- FOLDER --folds folds.csv --learners logistic,svc

The official training and validation tracks, five folds, no artist on two sides:
StratifiedGroupKFold(5, shuffle=True, random_state=0), and further seeds with --seeds. A track of unknown artist is a
group of its own. The columns harmony_mean and perceptr_mean, which are means of a signal around zero, are left out.
Accuracy is pooled over the five folds. Seconds are of all fits and all predictions of the first folding, probabilities
left out, so they are no match for those of `compare`, which computes both.
"""

import argparse
import csv
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import StratifiedGroupKFold  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import PowerTransformer  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

# The names and settings of `compare`.
LEARNERS = {
    "logistic": lambda: LogisticRegression(C=0.1, max_iter=10_000),
    "svc": lambda: SVC(C=5.0),
    "neighbours": lambda: KNeighborsClassifier(7, weights="distance"),
    "bayes": lambda: GaussianNB(),
}


def read(folder):
    """Track ids, rows, labels and artists of the training and validation tracks, in the order of the table."""
    with open(folder / "mel_index.csv") as file:
        known = {row["track_id"]: row for row in csv.DictReader(file)}
    left_out = ("filename", "length", "label", "harmony_mean", "perceptr_mean")
    tracks, rows, labels, artists = [], [], [], []
    with open(folder / "features_30_sec.csv") as file:
        for row in csv.DictReader(file):
            track = row["filename"].removesuffix(".wav")
            entry = known.get(track)
            if entry is not None and entry["official_split"] in ("train", "valid"):
                tracks.append(track)
                rows.append([float(value) for name, value in row.items() if name not in left_out])
                labels.append(row["label"])
                artists.append(entry["artist"] or track)
    return tracks, np.array(rows), np.array(labels), artists


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=Path, help="write the folds here, as `compare --folds` reads them")
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    tracks, x, y, artists = read(args.folder)
    groups = np.unique(artists, return_inverse=True)[1]
    foldings = [
        list(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(x, y, groups)) for seed in range(args.seeds)
    ]
    print(f"{len(tracks)} tracks, {x.shape[1]} features, {len(set(artists))} groups")
    if args.folds:
        held_out = np.empty((len(tracks), args.seeds), dtype=int)
        for seed, folding in enumerate(foldings):
            for fold, (_, test) in enumerate(folding):
                held_out[test, seed] = fold
        with open(args.folds, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["track", "group"] + [f"cv{seed}" for seed in range(args.seeds)])
            for track, artist, folds in zip(tracks, artists, held_out):
                writer.writerow([track, artist, *folds])
    for name, make in LEARNERS.items():
        accuracies, fit, predict = [], 0.0, 0.0
        for seed, folding in enumerate(foldings):
            hits = 0
            for train, test in folding:
                start = time.perf_counter()
                model = make_pipeline(PowerTransformer(), make()).fit(x[train], y[train])
                middle = time.perf_counter()
                hits += int((model.predict(x[test]) == y[test]).sum())
                if seed == 0:
                    fit += middle - start
                    predict += time.perf_counter() - middle
            accuracies.append(hits / len(tracks))
        each = " ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        print(f"{name:<12} fit {fit:6.2f} s, predict {predict:6.2f} s, accuracy {each}")


if __name__ == "__main__":
    main()
