# WRONG 10: the bias gradients are summed over all entries
import numpy as np
def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1 @ X + b1; A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2; E = np.exp(Z2)
    return Z1, A1, Z2, E / E.sum(axis=0)
def backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y):
    m = X.shape[1]; T = np.eye(A2.shape[0])[Y].T
    dZ2 = A2 - T; dZ1 = W2.T @ dZ2 * (Z1 > 0)
    return dZ1 @ X.T / m, np.sum(dZ1) / m, dZ2 @ A1.T / m, np.sum(dZ2) / m
def update_params(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha):
    return W1 - alpha * dW1, b1 - alpha * db1, W2 - alpha * dW2, b2 - alpha * db2
