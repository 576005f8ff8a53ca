"""Whatever a subject does, the command ends in time, says what happened and where, and is never green by accident."""
