"""A training step's case as a plain Python script: the model, the batches and every call.

Nothing here runs the user's step; the scripts are only text.
"""
