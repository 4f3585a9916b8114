"""Fine-tuning over strata × budgets × seeds, each cell certified on its own training data.

A sweep is a folder with `sweep.json` (what all its cells have in common), the held-out data of each
stratum, and a folder for each cell with its checkpoint, `certificate.json` and, last of all,
`run.json`, so that the sweep's folder is what `pacbayes plan` reads.
"""
