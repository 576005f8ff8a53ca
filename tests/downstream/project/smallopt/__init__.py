"""A small package that has an optimizer and a training step of its own."""
