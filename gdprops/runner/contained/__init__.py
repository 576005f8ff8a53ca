"""A subject in a process of its own, which is supervised: whatever it does there, the run ends and says what happened.

`child` runs in that process and sends what it finds; `supervisor` starts it, receives what it sends, ends it where it
hangs, and starts another one for the clauses that are left. `last_words` reads what a dead process has left behind.
"""
