"""The commands of `gdprops`, one file each, and their options.

A command asks the runner and prints what `report` renders; it computes nothing itself.
"""
