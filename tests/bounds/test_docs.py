"""The reference page of each theorem says what it states, and where it is proved."""

import pytest

from pacbayes.bounds import BOUNDS


@pytest.mark.parametrize("name", BOUNDS)
def test_page_states_the_theorem(name):
    text = BOUNDS[name].function.__doc__
    for part in ("robability", "Args:", "Reference:", ">>> "):
        # what a docstring leaves out it names: "arguments as `seeger_maurer`"
        assert part in text or (part == "Args:" and "rguments" in text), (name, part)
    lower = BOUNDS[name].lower
    assert lower is None or f"`{name}`" in lower.__doc__ or "event of its own" in lower.__doc__
