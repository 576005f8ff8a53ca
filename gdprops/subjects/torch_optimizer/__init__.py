"""Torch optimizers: built afresh for every run, fed gradients, never copied."""
