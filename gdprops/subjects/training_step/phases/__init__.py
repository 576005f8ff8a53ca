"""Steps in which several optimizers take turns: each phase is one step of its optimizer by its own objective.

What the user declares of them stands in `phase_declaration.py` beside this folder. `call_log` is what is seen of a
step, `random_draws` are the random numbers that it has drawn, and `run` computes what each phase should have done.
Nothing here judges.
"""
