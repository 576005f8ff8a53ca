"""Wrong torch optimizers, each a correct one with one thing changed, and right ones that look suspicious (twins)."""
