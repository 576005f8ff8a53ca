"""Subjects: the user's code in the form that the clauses examine; one sub-package for every kind of subject.

No clause, no fault and no report lives here.
"""
