"""Subjects: each file turns one kind of user code into what the clauses see."""
