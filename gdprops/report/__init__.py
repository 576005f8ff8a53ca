"""What people and programs read: one format per file, made from plain verdict data."""
