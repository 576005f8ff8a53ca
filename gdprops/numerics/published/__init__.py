"""Published update rules, written plainly in NumPy: one tensor, one step, as the paper has it.

One file for each family. `rule.py` says what a rule is, and `table.py` lists all rules by name.
"""
