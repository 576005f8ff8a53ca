"""Small inputs that were once judged wrongly, one of each kind, and what they must give."""
