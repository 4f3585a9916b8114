import pytest

from pacbayes.data import (
    Message,
    Record,
    exact_duplicates,
    find_duplicates,
    near_overlap,
    overlap,
)

LONG = "a train leaves the station at noon and travels sixty miles an hour; when is it home"


def asked(prompt, completion="4", **more):
    return Record(prompt=prompt, completion=completion, path="d", line=1, **more)


def test_exact_duplicates_are_reported_unless_one_unit():
    same = Record(text="a", group="g", path="d", line=1)
    alone = Record(text="a", difficulty=3.0, path="d", line=2)
    other = Record(text="b", path="d", line=3)
    assert exact_duplicates([same, other, same]) == ()
    assert exact_duplicates([same, other, alone]) == ((0, 2),)


def test_copies_ignore_case_space_and_form_of_characters():
    records = [asked("What is 2+2?"), asked("what  is\n2+2? "), asked("what is ２+2?"), asked("x")]
    found = find_duplicates(records)
    assert found.copies == found.same_prompt == found.near == ((0, 1, 2),)
    assert (found.n_units, found.n_if_copies, found.n_if_near) == (4, 2, 2)


def test_several_answers_to_one_prompt():
    records = [asked("p", str(i)) for i in range(5)] + [asked("q", "0")]
    found = find_duplicates(records)
    assert found.copies == ()
    assert found.same_prompt == ((0, 1, 2, 3, 4),)
    assert (found.n_units, found.n_if_copies, found.n_if_same_prompt) == (6, 6, 2)
    assert found.summary == (
        "of 6 units 4 answer an earlier one's prompt, and all count as independent; if they are "
        "not, give those that belong together one `group` (n would be 2), as n is overstated and "
        "the certificate is too low."
    )


def test_groups_settle_it():
    records = [asked("p", str(i), group="p") for i in range(5)] + [asked("q", "0")]
    found = find_duplicates(records)
    assert found.summary is None
    assert found.n_units == found.n_if_near == 2


def test_units_are_linked_over_several_records():
    """Units a and b share one prompt, b and c another: one unit if prompts were groups."""
    records = [
        asked("p", group="a"),
        asked("p", group="b"),
        asked("q", group="b"),
        asked("q", group="c"),
        asked("r"),
    ]
    assert find_duplicates(records).n_if_copies == 2


def test_near_prompts_contain_what_is_equal():
    records = [asked(LONG), asked(LONG, "5"), asked(LONG + "?"), asked("x"), asked(LONG)]
    found = find_duplicates(records)
    assert found.copies == ((0, 4),)
    assert found.same_prompt == ((0, 1, 4),)
    assert found.near == ((0, 1, 2, 4),)
    assert (found.n_if_copies, found.n_if_same_prompt, found.n_if_near) == (4, 3, 2)
    assert "1 repeat an earlier one, 1 answer an earlier one's prompt, 1 have a" in found.summary


def test_system_turns_are_no_question():
    def chat(system, user):
        turns = ("system", system), ("user", user), ("assistant", "yes")
        return Record(messages=tuple(Message(*turn) for turn in turns), path="d", line=1)

    assert find_duplicates([chat(LONG, "a"), chat(LONG, "b")]).near == ()
    assert find_duplicates([chat(LONG, "a"), chat("", "a")]).same_prompt == ((0, 1),)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_without_prompt_the_completion_counts(prompt):
    assert find_duplicates([asked(prompt, "a"), asked(prompt, "b")]).same_prompt == ()


def test_near_overlap_of_two_files():
    first, second = [asked("x"), asked(LONG)], [asked("y"), asked(LONG[1:], "7"), asked("x", "9")]
    assert near_overlap(first, second) == (1, 2)
    assert overlap(first, second) == ()
