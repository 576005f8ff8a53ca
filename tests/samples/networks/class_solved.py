# ASK: least squares, solved at once: no gradient descent, and nothing to accuse
import numpy as np
class LSQ:
    def fit(self, X, y):
        self.w = np.linalg.solve(X.T @ X + 1e-3 * np.eye(X.shape[1]), X.T @ y)
        return self
    def predict(self, X): return X @ self.w
