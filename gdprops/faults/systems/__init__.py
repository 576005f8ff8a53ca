"""Wrong sources of gradients and wrong sweeps: what the chapters `gradient` and `sequential` must catch."""
