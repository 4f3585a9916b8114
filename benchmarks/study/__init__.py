"""Studies of theory against experience: a subject a module, `python -m benchmarks.study`."""
