"""Studies of real fine-tunes against the theory: what was measured beside what was predicted."""
