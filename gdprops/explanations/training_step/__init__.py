"""Explain a wrong training step: watching it suggests hypotheses, and replaying each of them proves or refutes it."""
