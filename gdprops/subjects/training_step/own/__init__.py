"""The user's own models and batches (`models=`, `batches=`): drawn, re-drawn, tried and saved."""
