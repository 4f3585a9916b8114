"""Disjoint sets that grow together as their members are linked (union-find)."""

from __future__ import annotations

from collections import defaultdict


class Links:
    """The sets of the numbers below `n`, each known by its least member.

    >>> links = Links(4)
    >>> links.join(3, 1)
    >>> links.root(3), links.sets()
    (1, ((1, 3),))
    """

    def __init__(self, n: int) -> None:
        self._above = list(range(n))

    def root(self, i: int) -> int:
        """Return the least member of the set that `i` is in."""
        while self._above[i] != i:
            self._above[i] = self._above[self._above[i]]  # halves the path
            i = self._above[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Make the sets of `i` and `j` one."""
        low, high = sorted((self.root(i), self.root(j)))
        self._above[high] = low

    def sets(self) -> tuple[tuple[int, ...], ...]:
        """Return the sets with more than one member, sorted."""
        members: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._above)):
            members[self.root(i)].append(i)
        return tuple(tuple(found) for found in members.values() if len(found) > 1)
