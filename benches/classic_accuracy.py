"""Compares the accuracy of timbral-classic's boosted trees with XGBoost's, on the same folds with the same settings.

Run from the root of the workspace:

    pip install scikit-learn==1.9.1 xgboost==3.2.0 numpy==2.4.6
    python benches/classic_accuracy.py [--gtzan FOLDER]

Data: digits, wine and breast cancer, which come with scikit-learn, by stratified five-fold cross-validation, five times;
with --gtzan the table that circulates with GTZAN (FOLDER holds features_30_sec.csv and mel_index.csv, which tells artists
apart), by five folds that keep artists together, five times. The columns harmony_mean and perceptr_mean, which are means of
a signal around zero, are left out.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import xgboost  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits, load_wine  # noqa: E402
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: E402

SEEDS = range(5)
SETTINGS = dict(n_estimators=50, max_depth=6, learning_rate=0.3, tree_method="hist", max_bin=256, n_jobs=1)


def gtzan(folder):
    with open(folder / "mel_index.csv") as file:
        known = {row["track_id"]: row for row in csv.DictReader(file)}
    rows, labels, artists = [], [], []
    with open(folder / "features_30_sec.csv") as file:
        for row in csv.DictReader(file):
            track = row["filename"].removesuffix(".wav")
            entry = known.get(track)
            if entry is None or entry["official_split"] not in ("train", "valid"):
                continue
            left_out = ("filename", "length", "label", "harmony_mean", "perceptr_mean")
            rows.append([float(value) for name, value in row.items() if name not in left_out])
            labels.append(row["label"])
            artists.append(entry["artist"] or track)
    return np.array(rows), np.unique(labels, return_inverse=True)[1], np.unique(artists, return_inverse=True)[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gtzan", type=Path)
    parser.add_argument("--worker", help="a built worker, instead of cargo")
    args = parser.parse_args()
    sets = {
        "digits": (*load_digits(return_X_y=True), None),
        "wine": (*load_wine(return_X_y=True), None),
        "breast cancer": (*load_breast_cancer(return_X_y=True), None),
    }
    if args.gtzan:
        sets["GTZAN table, by artist"] = gtzan(args.gtzan)
    with tempfile.TemporaryDirectory() as folder:
        command = [args.worker] if args.worker else ["cargo", "bench", "--bench", "classic", "--"]
        worker = subprocess.Popen([*command, "--worker", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        worker.stdout.readline()
        print("| data | rows x columns, classes | ours | XGBoost | difference in points |\n|---|---|---|---|---|")
        for name, (x, y, groups) in sets.items():
            ours, theirs = [], []
            for seed in SEEDS:
                kind = StratifiedKFold if groups is None else StratifiedGroupKFold
                folds = kind(5, shuffle=True, random_state=seed).split(x, y, groups)
                for number, (train, test) in enumerate(folds):
                    job = f"{name.split()[0]}-{seed}-{number}"
                    parts = {"x": x[train], "y": y[train], "test_x": x[test], "test_y": y[test]}
                    for part, array in parts.items():
                        np.save(Path(folder) / f"{job}.{part}.npy", np.ascontiguousarray(array, dtype=np.float64))
                    print("boosting_fit", job, file=worker.stdin, flush=True)
                    ours.append((json.loads(worker.stdout.readline())["value"], len(test)))
                    model = xgboost.XGBClassifier(**SETTINGS).fit(x[train], y[train])
                    theirs.append(((model.predict(x[test]) == y[test]).mean(), len(test)))
            a, b = (sum(share * rows for share, rows in side) / sum(rows for _, rows in side) for side in (ours, theirs))
            shape = f"{len(x)} x {x.shape[1]}, {len(set(y))}"
            print(f"| {name} | {shape} | {100 * a:.2f} % | {100 * b:.2f} % | {100 * (a - b):+.2f} |", flush=True)
        worker.stdin.close()
        worker.wait()


main()
