# RIGHT: linear regression with a fixed number of rounds inside fit, weights made there, squared error averaged
import numpy as np

class LinearRegression:
    def fit(self, X, y, lr=0.01):
        n, d = X.shape
        self.w = np.zeros(d)
        self.b = 0.0
        for i in range(1000):
            y_hat = X @ self.w + self.b
            error = y_hat - y
            self.w = self.w - lr * (2 / n) * X.T @ error
            self.b = self.b - lr * (2 / n) * error.sum()
            if i % 100 == 0:
                print(i, np.mean(error ** 2))
        return self

    def predict(self, X):
        return X @ self.w + self.b
