"""Small inputs that once gave a wrong verdict or a wrong name, one of each kind, with siblings."""
