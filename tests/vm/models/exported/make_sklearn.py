"""Write the scikit-learn pipelines of this folder: `python make_sklearn.py` (scikit-learn 1.9.1, skl2onnx 1.20.0)."""

# mypy: ignore-errors
# What it imports is not installed here.

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

FEATURES, ROWS = 6, 240
OPSET = {"": 17, "ai.onnx.ml": 3}

random = np.random.RandomState(7)
x = random.standard_normal((ROWS, FEATURES)).astype(np.float32)
number = x[:, 0] * 2 + np.sin(3 * x[:, 1]) - x[:, 2] * x[:, 3]
label = np.digitize(number, [-1.0, 1.0])
whole = np.round(x * 2).clip(0, 4).astype(np.int64)

PIPELINES = {
    "linear-regression": (make_pipeline(StandardScaler(), LinearRegression()), number),
    "ridge-polynomial": (make_pipeline(MinMaxScaler(), PolynomialFeatures(2), Ridge()), number),
    "logistic": (make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), label),
    "pca-logistic": (make_pipeline(Normalizer(), PCA(3), LogisticRegression()), label),
    "bayes": (make_pipeline(StandardScaler(), GaussianNB()), label),
    "svc": (make_pipeline(StandardScaler(), SVC(C=0.5)), label),
    "svr": (make_pipeline(StandardScaler(), SVR(C=0.5)), number),
    "neighbours": (make_pipeline(StandardScaler(), KNeighborsClassifier(3)), label),
    "perceptron": (make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=60, random_state=0)), label),
    "kmeans": (make_pipeline(StandardScaler(), KMeans(4, n_init=1, random_state=0)), None),
    "tree": (DecisionTreeClassifier(max_depth=6, random_state=0), label),
    "forest": (RandomForestClassifier(20, max_depth=5, random_state=0), label),
    "forest-regression": (RandomForestRegressor(10, max_depth=5, random_state=0), number),
    "boosting": (GradientBoostingClassifier(n_estimators=8, max_depth=3, random_state=0), label),
    "boosting-regression": (GradientBoostingRegressor(n_estimators=20, max_depth=3, random_state=0), number),
}

for name, (pipeline, target) in PIPELINES.items():
    fitted = pipeline.fit(x) if target is None else pipeline.fit(x, target)
    options = {"zipmap": False} if target is label else None
    model = to_onnx(fitted, x[:1], options=options, target_opset=OPSET)
    Path(f"sklearn-{name}.onnx").write_bytes(model.SerializeToString())

encoder = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
model = to_onnx(encoder.fit(whole, label), whole[:1], options={"zipmap": False}, target_opset=OPSET)
Path("sklearn-one-hot.onnx").write_bytes(model.SerializeToString())
