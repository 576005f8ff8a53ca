"""The forms of a counterexample: plain data, a file that can be replayed, and a script that runs without gdprops.

Loading a saved case never runs code. `gdprops.runner.replay` runs a saved case again.
"""
