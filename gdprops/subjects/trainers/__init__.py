"""Trainers as subjects: Lightning's Trainer, the Trainer of transformers and others really drive the user's module.

Each trainer has one file, which makes a ``build`` and an objective of it; `step.py` makes a training step of these, so
that a trainer is held to the clauses of training steps. `driven_fit.py` lets a trainer's ``fit`` run beside gdprops and
take one batch at a time. Nothing here judges.
"""
