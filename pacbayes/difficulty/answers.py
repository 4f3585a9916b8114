r"""Final answers: found in a text, and compared.

The final answer is what the last ``\boxed{}`` holds, else what follows the last ``####``, else the
whole text if it is an expression, else the last number.

Two answers are equal if they are the same text up to case and spacing, or the same expression, or
tuples, intervals or sets of equal parts. A percent sign or a unit in words on one side only is left
out, as are dollar signs and what stands before an equals sign ("x = 5").
"""

from __future__ import annotations

import re

from pacbayes.difficulty.expressions import LONGEST, UnreadableError, equal, plain, read

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"[{}]")
_NUMBER = re.compile(r"(?<![\w.)])[-+]?\d[\d,]*(?:\.\d+)?(?:/\d+)?%?|\d[\d,]*(?:\.\d+)?(?:/\d+)?%?")
_NAMED = re.compile(r"^[A-Za-z](?:_\{?\w+\}?)?(?:\([A-Za-z]\))?\s*=(?!=)")
_THOUSANDS = re.compile(r"(?<![\d,(\[{])(\d{1,3}(?:,\d{3})+)(?![\d,])")
_WORDS = re.compile(r"\\(?:text|mathrm|mbox|textbf)\s*\{([^{}]*)\}")
_UNIT = re.compile(r"(?<=[\d}) ])\s*([A-Za-z]{2,}[A-Za-z./ ]*(?:\^\{?\d\}?)?)$")
_CHOICE = re.compile(r"\([a-z]\)")
_MOST_PARTS = 20


def final_answer(text: str) -> str | None:
    r"""Return the final answer that a text gives, None if it gives none.

    >>> final_answer("So 3 + 4 is \\boxed{\\frac{14}{2}}.")
    '\\frac{14}{2}'
    >>> final_answer("He has 5. Then 1,200 more. #### 1,205")
    '1,205'
    >>> final_answer("a4;a4-6=w5")
    '5'
    """
    boxed = _last_box(text)
    if boxed is not None:
        return boxed
    _, mark, after = text.rpartition("####")
    if mark:
        return after.strip().split("\n")[0].strip() or None
    whole = text.strip().rstrip(".")
    if len(whole) <= LONGEST:
        _, parts = _listed(_value(whole)) or ("", [_value(whole)])
        if all(map(_readable, parts)):
            return whole
    numbers = [match[0] for match in _NUMBER.finditer(text)]
    return numbers[-1].rstrip(",") if numbers else None


def _last_box(text: str) -> str | None:
    """Return what the last box with both its braces holds."""
    boxes = {match.end() for match in _BOX.finditer(text)}
    opened: list[int] = []
    last, found = -1, None
    for brace in _BRACE.finditer(text) if boxes else ():
        if brace[0] == "{":
            opened.append(brace.end())
        elif opened and (start := opened.pop()) in boxes and start > last:
            last, found = start, text[start : brace.start()]
    return None if found is None else found.strip() or None


def same_answer(first: str, second: str) -> bool:
    r"""Whether two answers are equal.

    >>> same_answer("\\frac{1}{2}", "0.5"), same_answer("(1, 2)", "(2, 1)"), same_answer("B", "b.")
    (True, False, True)
    """
    if max(len(first), len(second)) > LONGEST:
        return first.strip() == second.strip()
    if _text(first) == _text(second) != "":
        return True
    ours, theirs = _listed(_value(first)), _listed(_value(second))
    if ours and theirs:
        return _same_lists(ours, theirs)
    return ours is theirs is None and _same_expression(_value(first), _value(second))


def _text(answer: str) -> str:
    words = plain(_WORDS.sub(r"\1", answer))
    bare = re.sub(r"\s+", "", words).rstrip(".").casefold()
    return bare[1:-1] if _CHOICE.fullmatch(bare) else bare


def _value(answer: str) -> str:
    """Return the answer without a name and an equals sign before it, its words as they are."""
    text = _WORDS.sub(r" \1", answer.strip().strip("$").rstrip("."))
    return _NAMED.sub("", text.strip()).strip()


def _same_expression(first: str, second: str) -> bool:
    if ("%" in first) != ("%" in second):
        first, second = (re.sub(r"\\?%", "", text) for text in (first, second))
    if not (_readable(first) and _readable(second)):
        first, second = _without_unit(first, second)
    try:
        return equal(read(first), read(second))
    except UnreadableError:
        return False


def _without_unit(first: str, second: str) -> tuple[str, str]:
    """Return two answers without their unit, unless they have two."""
    units = {unit[1].strip().casefold() for unit in map(_UNIT.search, (first, second)) if unit}
    if len(units) != 1:
        return first, second
    return _UNIT.sub("", first), _UNIT.sub("", second)


def _readable(text: str) -> bool:
    try:
        read(text)
    except UnreadableError:
        return False
    return True


def _listed(answer: str) -> tuple[str, list[str]] | None:
    """Return the brackets and the parts of an answer with commas, None if it has none."""
    text = re.sub(r"\\(?:left|right)(?![A-Za-z])|\\[,!;: ]", "", answer).strip()
    text = text.replace("{,}", "").replace("\\{", "{").replace("\\}", "}")
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    brackets = ""
    if len(text) > 1 and text[0] in "([{" and text[-1] in ")]}":
        brackets, text = text[0] + text[-1], text[1:-1]
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return None
        if character == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    parts.append(text[start:].strip())
    if len(parts) < 2 or "" in parts or len(parts) > _MOST_PARTS:
        return None
    return brackets.replace("{}", ""), parts  # a set may go without its braces


def _same_lists(first: tuple[str, list[str]], second: tuple[str, list[str]]) -> bool:
    (brackets, ours), (others, theirs) = first, second
    if brackets != others or len(ours) != len(theirs):
        return False
    if brackets:
        return all(map(same_answer, ours, theirs))
    left = list(theirs)
    for part in ours:
        match = next((other for other in left if same_answer(part, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True
