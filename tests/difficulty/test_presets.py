"""Each preset on handwritten records in the shape of its data set."""

import pytest

from pacbayes.difficulty import PRESETS, OutputRules, preset, score_file
from pacbayes.errors import InputError
from tests.difficulty.conftest import lines

MATH = {"problem": "What is $1+1$?", "type": "Algebra", "solution": "It is $\\boxed{2}$."}
OMNI = {"domain": ["Mathematics -> Algebra"], "problem": "p", "solution": "s", "answer": "1"}
DEEP = {"question": "q", "final_answer": "0", "topic": "Calculus", "r1_solution_1": "s"}
BIG = {"problem": "p", "answer": "4", "source": "orca_math", "domain": ["Algebra"]}
REASONING = {"generated_solution": "s", "expected_answer": "2", "problem_type": "x"}
POLARIS = {"problem": "p", "answer": "7"}
TACO = {"question": "q", "solutions": "[]", "source": "codeforces"}
LIVE = {"question_title": "t", "question_content": "c", "platform": "leetcode"}
CONTESTS = {"name": "1_A", "description": "d", "source": 2}

ROWS = {
    "math": (
        [MATH | {"level": level} for level in ("Level 1", "Level 5", "Level ?", "Level 3", 4)],
        [1, 5, None, 3, 4],
    ),
    "omni-math": ([OMNI | {"difficulty": d} for d in (1.0, 5.5, 9)], [1, 5.5, 9]),
    "deepmath": ([DEEP | {"difficulty": d} for d in (5.0, 8.5)], [5, 8.5]),
    "big-math": (
        [BIG | {"llama8b_solve_rate": r} for r in (0.0, 0.140625, None, 1.0, 0.3)],
        [1, 55 / 64, None, 0, 0.7],
    ),
    "openmathreasoning": (
        [
            REASONING | {"problem": p, "pass_rate_72b_tir": r}
            for p, r in (("a", "0.96875"), ("a", "0.96875"), ("b" * 100, "n/a"), ("c" * 100, "0"))
        ],
        [1 / 32, 1 / 32, None, 1],
    ),
    "polaris": ([POLARIS | {"difficulty": d} for d in ("0/8", "5/8", "8/8")], [1, 3 / 8, 0]),
    "taco": (
        [
            TACO | {"difficulty": d}
            for d in ("EASY", "MEDIUM", "MEDIUM_HARD", "HARD", "VERY_HARD", "UNKNOWN_DIFFICULTY")
        ],
        [1, 2, 3, 4, 5, None],
    ),
    "livecodebench": ([LIVE | {"difficulty": d} for d in ("easy", "medium", "hard")], [1, 2, 3]),
    "code-contests": (
        [CONTESTS | {"difficulty": d, "cf_rating": r} for d, r in ((7, 800), (1, 0), (2, 3500))],
        [800, None, 3500],
    ),
}


def scored(write, tmp_path, name, missing):
    rules = OutputRules(missing=missing, group_field=preset(name).group_field)
    out = tmp_path / "out.jsonl"
    score_file(write(*ROWS[name][0]), out, preset(name).scorer(), rules)
    return lines(out)


def test_every_preset_is_tested():
    assert ROWS.keys() == PRESETS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_difficulty_is_larger_for_harder_records(write, tmp_path, name):
    given, expected = ROWS[name]
    found = scored(write, tmp_path, name, "keep")
    assert [record["difficulty"] for record in found] == pytest.approx(expected, abs=0)
    for before, after in zip(given, found, strict=True):
        kept = after | {"difficulty": after.get("difficulty_given")}
        assert before.items() <= (kept if "difficulty_given" in after else after).items()


@pytest.mark.parametrize("name", ROWS)
def test_records_without_difficulty_are_left_out(write, tmp_path, name):
    found = scored(write, tmp_path, name, "skip")
    assert [r["difficulty"] for r in found] == [d for d in ROWS[name][1] if d is not None]


def test_counts(write, tmp_path):
    def counts(name):
        return [r.get("pass_rate") for r in scored(write, tmp_path, name, "skip")]

    assert counts("polaris") == [{"k": k, "m": 8} for k in (0, 5, 8)]
    (tmp_path / "out.jsonl").unlink()
    assert counts("big-math") == [*({"k": k, "m": 64} for k in (0, 9, 64)), None]
    (tmp_path / "out.jsonl").unlink()
    assert counts("openmathreasoning") == [{"k": k, "m": 32} for k in (31, 31, 0)]
    (tmp_path / "out.jsonl").unlink()
    assert counts("math") == [None] * 4


def test_rows_of_one_problem_are_one_group(write, tmp_path):
    a, again, b, c = (r["group"] for r in scored(write, tmp_path, "openmathreasoning", "keep"))
    assert a == again == "a"
    assert len({a, b, c}) == 3
    assert len(b) == len(c) == 32


def test_the_name_of_polaris_field_does_not_turn_it_around(write, tmp_path):
    easiest = scored(write, tmp_path, "polaris", "keep")[-1]
    assert easiest["difficulty_given"] == "8/8"
    assert easiest["difficulty"] == 0


def test_unknown_preset():
    with pytest.raises(InputError, match=r"--preset must be one of math, .*, got 'gsm8k'"):
        preset("gsm8k")
