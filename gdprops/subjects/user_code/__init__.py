"""Meeting the user's code: importing names, reading signatures, calling within a budget, leaving the process as it was.

Every kind of subject uses these files; they know no kind.
"""
