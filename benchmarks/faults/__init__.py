"""Runs that are stopped at random moments: what they leave is readable, and goes on to the same."""
