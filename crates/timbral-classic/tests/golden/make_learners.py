"""Writes learners.json: a small problem with scikit-learn's answers.

Run with: pip install scikit-learn==1.9.1 numpy==2.4.6 && python make_learners.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_selection import f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler
from sklearn.svm import SVC

rng = np.random.default_rng(3)
N_TRAIN, N_TEST, COLUMNS = 90, 40, 6
y = rng.choice(3, N_TRAIN + N_TEST, p=[0.5, 0.3, 0.2])
x = rng.normal(size=(len(y), COLUMNS)) + 0.9 * rng.normal(size=(3, COLUMNS))[y]
# Skewed, scaled, shifted, negative and constant columns.
x[:, 0] = np.exp(x[:, 0])
x[:, 1] = 1000 * x[:, 1] - 300
x[:, 2] = -np.exp(0.7 * x[:, 2])
x[:, 3] = 0.01 * x[:, 3] ** 3
x[:, 5] = 2.5
train, test, train_y, test_y = x[:N_TRAIN], x[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]

out = {"train": train, "test": test, "train_y": train_y, "test_y": test_y}

standard = StandardScaler().fit(train)
out["standard"] = standard.transform(test)
out["min_max"] = MinMaxScaler((-1, 2)).fit(train).transform(test)
power = PowerTransformer().fit(train)
out["power"] = power.transform(test)
out["power_lambdas"] = power.lambdas_

z, tz = standard.transform(train), standard.transform(test)
pca = PCA(3, whiten=True, svd_solver="full").fit(z)
signs = np.sign(pca.components_[np.arange(3), np.abs(pca.components_).argmax(axis=1)])
out["pca_components"] = pca.components_ * signs[:, None]
out["pca_variance"] = pca.explained_variance_
out["pca_ratio"] = pca.explained_variance_ratio_
out["pca_test"] = pca.transform(tz) * signs

wide = PCA(4, svd_solver="full").fit(np.hstack([z[:5], z[5:10], z[10:15]]))
signs = np.sign(wide.components_[np.arange(4), np.abs(wide.components_).argmax(axis=1)])
out["wide_components"] = wide.components_ * signs[:, None]
out["wide_variance"] = wide.explained_variance_

lr = LogisticRegression(C=0.5, tol=1e-12, max_iter=100_000).fit(z, train_y)
out["lr_coef"], out["lr_intercept"] = lr.coef_, lr.intercept_ - lr.intercept_.mean()
out["lr_proba"] = lr.predict_proba(tz)
balanced = LogisticRegression(C=0.5, tol=1e-12, max_iter=100_000, class_weight="balanced").fit(z, train_y)
out["lr_balanced_proba"] = balanced.predict_proba(tz)
l1 = LogisticRegression(C=0.2, l1_ratio=1.0, solver="saga", tol=1e-12, max_iter=1_000_000, random_state=0).fit(z, train_y)
out["lr_l1_coef"] = l1.coef_
out["lr_l1_proba"] = l1.predict_proba(tz)

svcs = {
    "rbf": dict(C=2.0, gamma="scale"),
    "rbf_balanced": dict(C=0.7, gamma=0.2, class_weight="balanced"),
    "linear": dict(C=0.3, kernel="linear"),
    "poly": dict(C=1.0, kernel="poly", degree=3, gamma=0.1, coef0=1.0),
}
for name, settings in svcs.items():
    ovo = SVC(tol=1e-12, decision_function_shape="ovo", **settings).fit(z, train_y)
    ovr = SVC(tol=1e-12, **settings).fit(z, train_y)
    out[f"svc_{name}_ovo"] = ovo.decision_function(tz)
    out[f"svc_{name}_ovr"] = ovr.decision_function(tz)
    out[f"svc_{name}_predict"] = ovr.predict(tz)
    out[f"svc_{name}_support"] = ovr.support_
    out[f"svc_{name}_dual"] = ovr.dual_coef_

for weights in ("uniform", "distance"):
    for metric in ("euclidean", "manhattan", "cosine"):
        knn = KNeighborsClassifier(7, weights=weights, metric=metric, algorithm="brute").fit(z, train_y)
        out[f"knn_{weights}_{metric}"] = knn.predict_proba(tz)

out["nb_proba"] = GaussianNB().fit(train, train_y).predict_proba(test)

# Without the constant column, whose F is 0 / 0 and whose mutual information is that of noise.
out["f_statistics"], out["f_probabilities"] = f_classif(train[:, :5], train_y)
out["mutual_information"] = mutual_info_classif(train[:, :5], train_y, random_state=0)
out["mutual_information_7"] = mutual_info_classif(train[:, :5], train_y, n_neighbors=7, random_state=0)

text = json.dumps({k: np.asarray(v).tolist() for k, v in out.items()}, separators=(",", ":"))
Path(__file__).with_name("learners.json").write_text(text + "\n")
