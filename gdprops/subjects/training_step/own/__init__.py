"""The user's own models and batches (`models=`, `batches=`): drawn, drawn anew, tried and saved.

Only what concerns the user's own models lives here; networks that gdprops draws do not need it.
"""
