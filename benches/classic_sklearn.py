"""Times timbral-classic beside scikit-learn and XGBoost, on the same data, in turns, in one run.

Run from the root of the workspace:

    pip install scikit-learn==1.9.1 xgboost==3.2.0 numpy==2.4.6 threadpoolctl==3.8.0
    python benches/classic_sklearn.py

The script writes the data to a temporary folder, starts `cargo bench --bench classic -- --worker FOLDER`, and lets the
worker, on two threads, and the Python libraries do each job in turns. They are asked twice, on one thread and on two,
because threads that wait for each other cost more than they gain on small data or a loaded machine; the faster answer
counts. Wall time is that of the job alone; processor time is that of the whole process (all threads). Printed are medians
and their ratios, ours over theirs: below 1 we are faster. Other load disturbs processor time less than wall time.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

THREADS = 2
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(THREADS))
os.environ["RAYON_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
import xgboost  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import SVC  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

CLASSES = 10
SIZES = {"1000x58": (1000, 58), "6000x50": (6000, 50), "12400x50": (12400, 50)}


def make(rows, columns, seed):
    """Ten overlapping classes, each a mixture of three clouds in a space of few dimensions; skewed, correlated columns."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % CLASSES)
    latent = 12
    centres = 1.35 * rng.normal(size=(CLASSES, 3, latent))
    cloud = rng.integers(0, 3, rows)
    z = centres[y, cloud] + rng.normal(size=(rows, latent))
    x = z @ rng.normal(size=(latent, columns)) / np.sqrt(latent) + 0.6 * rng.normal(size=(rows, columns))
    x[:, ::5] = np.exp(0.5 * x[:, ::5])
    return x, y


def write(folder):
    data = {}
    for i, (name, (rows, columns)) in enumerate(SIZES.items()):
        test_rows = max(400, rows // 4)
        x, y = make(rows + test_rows, columns, 100 + i)
        scaler = StandardScaler().fit(x[:rows])
        z = np.ascontiguousarray(scaler.transform(x))
        data[name] = (z[:rows], y[:rows], z[rows:], y[rows:])
        for part, array in zip(("x", "y", "test_x", "test_y"), data[name]):
            np.save(folder / f"{name}.{part}.npy", array.astype(np.float64))
    return data


def xgb(threads):
    return xgboost.XGBClassifier(
        n_estimators=50, max_depth=6, learning_rate=0.3, tree_method="hist", max_bin=256, n_jobs=threads
    )


def theirs(job, data, size, threads):
    """A function that does the job once."""
    x, y, tx, _ = data[size]
    if job == "svc_fit":
        return lambda: SVC(C=5.0, gamma="scale", cache_size=512).fit(x, y)
    if job == "svc_predict":
        fitted = SVC(C=5.0, gamma="scale").fit(x, y)
        return lambda: fitted.predict(tx)
    if job == "svc_linear_fit":
        return lambda: SVC(C=0.1, kernel="linear", cache_size=512).fit(x, y)
    if job == "boosting_fit":
        return lambda: xgb(threads).fit(x, y)
    if job == "boosting_predict":
        fitted = xgb(threads).fit(x, y)
        return lambda: fitted.predict_proba(tx)
    if job == "logistic_fit":
        return lambda: LogisticRegression(C=1.0, tol=1e-6, max_iter=1000).fit(x, y)
    if job == "pca_fit":
        return lambda: PCA(20).fit(x)
    raise ValueError(job)


def worker_time(pid):
    """Processor time of all threads of another process: Linux's clock of a process, as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime((~pid << 3) | 2)


JOBS = {
    "svc_fit": "SVC (RBF, C 5) fit",
    "svc_predict": "SVC predict",
    "svc_linear_fit": "SVC (linear, C 0.1) fit",
    "boosting_fit": "boosted trees, 50 rounds, fit",
    "boosting_predict": "boosted trees predict",
    "logistic_fit": "logistic regression fit",
    "pca_fit": "PCA (20 components) fit",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", nargs="*", default=list(JOBS))
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--worker", help="a built worker, instead of cargo")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = write(Path(folder))
        command = [args.worker] if args.worker else ["cargo", "bench", "--bench", "classic", "--"]
        worker = subprocess.Popen([*command, "--worker", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        pid = int(worker.stdout.readline())

        def ours(job, size):
            print(job, size, file=worker.stdin, flush=True)
            return json.loads(worker.stdout.readline())

        print(f"scikit-learn {sklearn.__version__}, XGBoost {xgboost.__version__}, {THREADS} threads; milliseconds, medians")
        print("| job | rows x columns | ours, wall | theirs, wall | ratio | ours, processor | theirs, processor | ratio | answers |")
        print("|---|---|---|---|---|---|---|---|---|")
        for job in args.jobs:
            for size in args.sizes:
                runs = {threads: theirs(job, data, size, threads) for threads in (1, THREADS)}
                ours(job, size)
                rows = []
                for _ in range(args.repeats):
                    before = worker_time(pid)
                    answer = ours(job, size)
                    row = [answer["seconds"], worker_time(pid) - before]
                    for threads, run in runs.items():
                        with threadpool_limits(threads):
                            wall, processor = time.perf_counter(), time.process_time()
                            result = run()
                            row += [time.perf_counter() - wall, time.process_time() - processor]
                    rows.append(row)
                ow, oc, tw1, tc1, tw2, tc2 = (1e3 * statistics.median(column) for column in zip(*rows))
                tw, tc = min(tw1, tw2), min(tc1, tc2)
                check = compare(job, data[size], result, answer)
                print(
                    f"| {JOBS[job]} | {size.replace('x', ' x ')} | {ow:.1f} | {tw:.1f} | {ow / tw:.2f} "
                    f"| {oc:.1f} | {tc:.1f} | {oc / tc:.2f} | {check} |",
                    flush=True,
                )
        worker.stdin.close()
        worker.wait()


def compare(job, data, result, answer):
    """That both sides did the same: accuracy on the test rows, or the number of support vectors, or the variance."""
    _, _, tx, ty = data
    if job in ("svc_fit", "svc_linear_fit"):
        return f"{answer['value']:.0f} and {len(result.support_)} support vectors"
    if job == "pca_fit":
        return f"variance {answer['value']:.6f} and {result.explained_variance_[0]:.6f}"
    predicted = result.predict(tx) if hasattr(result, "predict") else result
    if predicted.ndim == 2:
        predicted = predicted.argmax(axis=1)
    return f"accuracy {answer['value']:.3f} and {(predicted == ty).mean():.3f}"


main()
