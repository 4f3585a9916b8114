"""Hostile input to every reader of the package: spoilt files are refused in one line, or read.

Run ``python -m benchmarks.fuzzing --inputs 100000``; a name after ``--target`` chooses a reader,
and an input that was not handled is kept for replay.
"""
