"""Fine-tuning over strata × budgets × seeds, each cell certified on its own training data.

A sweep is a folder with `sweep.json` (what all its cells have in common), the held-out data of each
stratum, `base_risk.json` (the base's risk on the target), and a folder for each cell with its
checkpoint, `certificate.json` and, last of all, `run.json`, so that the sweep's folder is what
`pacbayes plan` reads. Mixtures of the strata are cells as the strata are.

Cells are made one after the other, by processes of this machine (`workers`), or by a Ray cluster
(`on_ray`); being functions of their own seeds, they are the same.
"""
