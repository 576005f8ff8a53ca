"""The sub-commands of `gdprops`, one file each, and their options.

A command calls the runner and prints what `gdprops.report` renders; it computes nothing itself.
"""
