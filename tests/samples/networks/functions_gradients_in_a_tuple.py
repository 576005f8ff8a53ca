# RIGHT: gradients in a tuple, weights before biases, a cost with a penalty, columns, names in another style
import numpy as np

def Softmax(s):
    e = np.exp(s - s.max(axis=0))
    return e / e.sum(axis=0)

def EvaluateClassifier(X, W1, W2, b1, b2):
    h = np.maximum(W1 @ X + b1, 0)
    return Softmax(W2 @ h + b2)

def ComputeCost(X, Y, W1, W2, b1, b2, lam):
    P = EvaluateClassifier(X, W1, W2, b1, b2)
    cross = -np.sum(Y * np.log(P)) / X.shape[1]
    return cross + lam * (np.sum(W1 ** 2) + np.sum(W2 ** 2)), cross

def ComputeGradients(X, Y, W1, W2, b1, b2, lam):
    n = X.shape[1]
    h = np.maximum(W1 @ X + b1, 0)
    G = Softmax(W2 @ h + b2) - Y
    dW2 = G @ h.T / n + 2 * lam * W2
    db2 = G.sum(axis=1, keepdims=True) / n
    G = W2.T @ G * (h > 0)
    dW1 = G @ X.T / n + 2 * lam * W1
    db1 = G.sum(axis=1, keepdims=True) / n
    return dW1, dW2, db1, db2
