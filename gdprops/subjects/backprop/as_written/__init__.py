"""Hand-written networks as people write them, brought into the one form that clauses examine.

A class for a whole network, the functions of a course, functions over separate arrays: each has a file that finds out,
by trying, how it is called, and gives a `Reading`. What a reading needs beside that, above all the loss that nobody
wrote down, is found in `found_loss.py`. No clause is decided here.
"""
