"""The kinds of subjects, one file each, and `KINDS`, the one list of them.

A `Kind` joins what lies on three floors below: how a subject is recognized and made (`gdprops.subjects`), how a clause is
decided on it (`gdprops.clauses`), and how a violation is explained (`gdprops.explanations`). The runner asks the kind and
knows no kind by name. No computation lives here.
"""
