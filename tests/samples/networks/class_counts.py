# ASK: naive Bayes: means and variances are counted, nothing descends
import numpy as np

class GaussianNB:
    def fit(self, X, y):
        self.classes = np.unique(y)
        self.means = np.array([X[y == c].mean(axis=0) for c in self.classes])
        self.vars = np.array([X[y == c].var(axis=0) + 1e-6 for c in self.classes])
        return self

    def predict(self, X):
        scores = [-(((X - m) ** 2) / v + np.log(v)).sum(axis=1) for m, v in zip(self.means, self.vars)]
        return self.classes[np.argmax(scores, axis=0)]
