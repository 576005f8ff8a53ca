"""A failing case in all its forms: as data, as a file that can be replayed, as a plain script.

Loading a case never runs code. Running it again is `gdprops.runner.replay`.
"""
