"""Estimators for scikit-learn, which `pip install 'hpcadmm[sklearn]'` brings.

>>> from sklearn.datasets import load_iris
>>> from sklearn.model_selection import GridSearchCV
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from hpcadmm.sklearn import ADMMClassifier, ADMMLogisticRegression
>>> X, y = load_iris(return_X_y=True)
>>> network = make_pipeline(StandardScaler(), ADMMClassifier((10,), max_iter=30, random_state=0)).fit(X, y)
>>> network.score(X, y) > 0.95
True
>>> search = GridSearchCV(ADMMLogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
>>> search.best_estimator_.coef_.shape
(3, 4)

Networks: ADMMClassifier and ADMMRegressor, by any solver of `hpcadmm`. Linear models with a penalty, to their minimum:
ADMMLogisticRegression, ADMMLasso, ADMMElasticNet, ADMMLinearSVC.

Features are taken as they are: scale them in a pipeline, as for other estimators. Under mpirun every rank calls `fit`,
with the same arrays or with its own rows, and gets the same model; `predict` works in each process by itself. Nothing
is saved: `estimator.model_` is the network as `hpcadmm.load` returns it, and `hpcadmm.train` saves runs.
"""

from hpcadmm.sklearn.linear import ADMMElasticNet, ADMMLasso, ADMMLinearSVC, ADMMLogisticRegression
from hpcadmm.sklearn.networks import ADMMClassifier, ADMMRegressor

__all__ = [
    "ADMMClassifier",
    "ADMMElasticNet",
    "ADMMLasso",
    "ADMMLinearSVC",
    "ADMMLogisticRegression",
    "ADMMRegressor",
]
