"""A training step's case as a plain Python script: the model, the batches and every call."""
