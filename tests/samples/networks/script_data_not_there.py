# RIGHT: data, sizes and a test set of a module that is not there; only the training is needed
import numpy as np
from own_helpers import get_data, one_hot

Xtrain, Ytrain, Xtest, Ytest = get_data()
D = Xtrain.shape[1]
K = len(set(Ytrain) | set(Ytest))
M = 5
Ytrain_ind = one_hot(Ytrain, K)
Ytest_ind = one_hot(Ytest, K)
W1, b1 = np.random.randn(D, M), np.zeros(M)
W2, b2 = np.random.randn(M, K), np.zeros(K)

def forward(X, W1, b1, W2, b2):
    Z = np.tanh(X @ W1 + b1)
    e = np.exp(Z @ W2 + b2)
    return e / e.sum(axis=1, keepdims=True), Z

costs = []
learning_rate = 0.001
for i in range(10000):
    pYtrain, Ztrain = forward(Xtrain, W1, b1, W2, b2)
    pYtest, Ztest = forward(Xtest, W1, b1, W2, b2)
    costs.append(np.mean(np.log(pYtest[Ytest_ind > 0])))
    gW2 = Ztrain.T @ (pYtrain - Ytrain_ind)
    gb2 = (pYtrain - Ytrain_ind).sum(axis=0)
    dZ = (pYtrain - Ytrain_ind) @ W2.T * (1 - Ztrain ** 2)
    gW1, gb1 = Xtrain.T @ dZ, dZ.sum(axis=0)
    W1 -= learning_rate * gW1
    b1 -= learning_rate * gb1
    W2 -= learning_rate * gW2
    b2 -= learning_rate * gb2
