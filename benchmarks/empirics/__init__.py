"""Studies of real fine-tunes against the theory: what was measured beside what was predicted.

`studies` reads the committed runs and `grid` places them by arm, budget and seed. `choices` lets
`pacbayes plan` and other ways choose from pilots, `excess` says what that costs; `bounds`,
`mechanism`, `movement` and `observations` hold the theory's statements against the runs.
`comparison` puts all together for `tables`, `as_json` and `sentences`. `noise` has the one way to
intervals.
"""
