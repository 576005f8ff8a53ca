"""Optimizers of other frameworks (optax, Keras, TensorFlow 1), and the gradients that JAX and TensorFlow compute.

`registry.py` says who adapts what. A framework is imported in its own file only, and only when a subject needs it.
"""
