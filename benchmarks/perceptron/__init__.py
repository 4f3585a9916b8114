"""The teacher-student perceptron with training data selected by margin: theory, simulation, worlds.

    from benchmarks.perceptron.worlds import PERCEPTRONS

    world = PERCEPTRONS["ridge"]()              # a `benchmarks.worlds.World`
    pilots = world.pilots(np.random.default_rng(0))
    world.target_risk(world.grid, 16 * pilots.budget.max())

The difficulty of an input is how close it lies to the decision boundary of a probe (the teacher
itself or a weak model of it), as a share of all inputs: 0 the farthest, 1 on the boundary.
"""
