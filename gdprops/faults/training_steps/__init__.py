"""Wrong training steps, and right ones that look suspicious (twins)."""
