"""Published update rules, written plainly in NumPy: one tensor, one step, as the paper has it."""
