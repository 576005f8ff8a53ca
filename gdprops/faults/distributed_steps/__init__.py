"""Wrong steps on several processes, and right ones that look suspicious (twins).

Ranks import them by their names, so every ``build`` stands at the top level of its file.
"""
