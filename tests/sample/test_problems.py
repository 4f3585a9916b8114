import random
import re
from itertools import islice

import pytest

from pacbayes.sample.problems import LEVELS, pretraining_problems, variant_problems


def solve(prompt):
    """Values of all quantities, by another route: each statement as a Python expression."""
    *statements, question = prompt.split(";")
    values = {}
    for statement in statements:
        name, expression = statement.split("=")
        python = re.sub(r"(.)@(.)", r"(\2)-(\1)", expression)
        values[name] = eval(python, {}, values) % 7
    return values, question.rstrip("?")


@pytest.mark.parametrize("draw", [pretraining_problems, variant_problems])
@pytest.mark.parametrize("level", LEVELS)
def test_solutions_are_right(draw, level):
    for problem in islice(draw(random.Random(1), LEVELS[level]), 200):
        values, asked = solve(problem.prompt)
        first, *steps = problem.completion.split(";")
        assert values[first[0]] == int(first[1])
        for step in steps:
            left, right = step.split("=")
            assert values[right[0]] == int(right[1])
            for name, value in re.findall(r"([a-z])(\d)", left):
                assert values[name] == int(value)
            assert eval(re.sub(r"[a-z](\d)", r"\1", left)) % 7 == int(right[1])
        assert steps[-1].split("=")[1][0] == asked
        assert len(steps) == problem.difficulty
        assert problem.difficulty in LEVELS[level]


def test_the_two_sides_never_meet():
    known = list(islice(pretraining_problems(random.Random(2), [3]), 2000))
    new = list(islice(variant_problems(random.Random(2), [3]), 2000))
    assert not any(p.for_fine_tuning or p.is_variant for p in known)
    assert all(p.for_fine_tuning and p.is_variant for p in new)
    assert not any("@" in p.completion for p in new)

    def meaning(problem):
        return re.sub(r"(.)@(.)", r"\2-\1", problem.prompt)

    assert not {meaning(p) for p in known} & {meaning(p) for p in new}


def test_a_seed_gives_the_same_problems():
    first = list(islice(variant_problems(random.Random(7), [4]), 20))
    assert first == list(islice(variant_problems(random.Random(7), [4]), 20))
    assert first != list(islice(variant_problems(random.Random(8), [4]), 20))
