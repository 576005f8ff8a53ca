"""What a wrong subject does instead, found by experiments and told only where it reproduces every failing example.

A folder for each kind that is explained. Nothing here changes a verdict.
"""
