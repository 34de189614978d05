"""Cycles in a graph of dependencies between transactions, and what they are called.

ww, wr and rw are told apart in `adya`; G0 is a cycle of ww alone, G1c has a wr, G-single exactly
one rw and G2-item more. A G2-item is looked for at the rw edges from whose end no way leads back
without another rw: in a component where each can be closed alone, G-single is all that is named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

WITNESSES = 32  # cycles of a kind that are looked at, for a short one
CHUNK = 4096  # bits of one pass of reachability


class Edge(NamedTuple):
    """A dependency of the transaction `to`, over the list `key`."""

    kind: str
    to: int
    key: int | None


Graph = list[list[Edge]]
"""The edges from each node, by its number."""
Cycle = list[tuple[int, Edge]]
"""Nodes, each with the edge to the next one."""
_Successors = Callable[[int], list[Edge]]


def cycles(graph: Graph, time: frozenset[str] = frozenset()) -> Iterator[tuple[str, Cycle]]:
    """Find a short witness of each kind of cycle in each strongly connected component.

    Args:
        time: The kinds of edges that count as much as a ww, but prove nothing by themselves.
    """
    everything = frozenset({"ww", "wr", "rw"}) | time
    for nodes in _components(range(len(graph)), _successors(graph, everything)):
        inside = frozenset(nodes)
        written = _successors(graph, frozenset({"ww"}) | time, inside)
        known = _successors(graph, frozenset({"ww", "wr"}) | time, inside)
        any_way = _successors(graph, everything, inside)
        of_writes = _membership(_components(nodes, written))
        of_known = _membership(_components(nodes, known))
        single, several = _sorted_by_closing(graph, nodes, known)
        kinds: tuple[tuple[str, Iterable[tuple[int, Edge]], _Successors], ...] = (
            ("G0", _within(graph, nodes, "ww", of_writes), written),
            ("G1c", _within(graph, nodes, "wr", of_known), known),
            ("G-single", single, known),
            ("G2-item", several, any_way),
        )
        for kind, closing, way in kinds:
            cycle = _shortest(closing, way)
            if cycle:
                yield kind, cycle


def _successors(
    graph: Graph, kinds: frozenset[str], inside: frozenset[int] | None = None
) -> _Successors:
    """The edges of these kinds from a node, to `inside` only where that is given."""
    if inside is None:
        return lambda node: [edge for edge in graph[node] if edge.kind in kinds]
    return lambda node: [edge for edge in graph[node] if edge.kind in kinds and edge.to in inside]


def _components(nodes: Iterable[int], edges: _Successors) -> Iterator[list[int]]:
    """Strongly connected components of two nodes or more."""
    return (part for part in _all_components(nodes, edges) if len(part) > 1)


def _all_components(nodes: Iterable[int], edges: _Successors) -> Iterator[list[int]]:
    """Strongly connected components after Tarjan: each comes after those that it reaches."""
    count = 0
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    for root in nodes:
        if root in index:
            continue
        work: list[tuple[int, Iterator[Edge]]] = []
        entering: int | None = root
        while entering is not None or work:
            if entering is not None:
                index[entering] = low[entering] = count
                count += 1
                stack.append(entering)
                on_stack.add(entering)
                work.append((entering, iter(edges(entering))))
                entering = None
            node, left = work[-1]
            for edge in left:
                if edge.to not in index:
                    entering = edge.to
                    break
                if edge.to in on_stack and index[edge.to] < low[node]:
                    low[node] = index[edge.to]
            if entering is not None:
                continue
            work.pop()
            if work and low[node] < low[work[-1][0]]:
                low[work[-1][0]] = low[node]
            if low[node] == index[node]:
                at = len(stack) - 1
                while stack[at] != node:
                    at -= 1
                part = stack[at:]
                del stack[at:]
                on_stack.difference_update(part)
                yield part


def _membership(components: Iterable[list[int]]) -> dict[int, int]:
    return {node: number for number, nodes in enumerate(components) for node in nodes}


def _within(
    graph: Graph, nodes: Iterable[int], kind: str, part: dict[int, int]
) -> Iterator[tuple[int, Edge]]:
    """Edges of a kind with both ends in one component: each is on a cycle."""
    for node in nodes:
        if node in part:
            for edge in graph[node]:
                if edge.kind == kind and part.get(edge.to) == part[node]:
                    yield node, edge


def _sorted_by_closing(graph: Graph, nodes: list[int], known: _Successors) -> tuple[Cycle, Cycle]:
    """The rw edges of a component: those closed without another rw, and those that are not."""
    inside = set(nodes)
    open_edges = [
        (node, edge)
        for node in nodes
        for edge in graph[node]
        if edge.kind == "rw" and edge.to in inside
    ]
    single: list[tuple[int, Edge]] = []
    several: list[tuple[int, Edge]] = []
    parts = [*_all_components(nodes, known)]
    part = _membership(parts)
    for start in range(0, len(open_edges), CHUNK):
        chunk = open_edges[start : start + CHUNK]
        bit: dict[int, int] = {}
        for node, _ in chunk:
            bit.setdefault(part[node], 1 << len(bit))
        reached = [bit.get(number, 0) for number in range(len(parts))]
        for number, members in enumerate(parts):  # what they reach has been done before
            for node in members:
                for edge in known(node):
                    reached[number] |= reached[part[edge.to]]
        for node, edge in chunk:
            closes = reached[part[edge.to]] & bit[part[node]]
            (single if closes else several).append((node, edge))
    return single, several


def _shortest(closing: Iterable[tuple[int, Edge]], way: _Successors) -> Cycle | None:
    """The shortest of some cycles: an edge, and the way back from its end to its start."""
    best: Cycle | None = None
    for _, (node, edge) in zip(range(WITNESSES), closing, strict=False):
        back = _path(edge.to, node, way)
        if best is None or len(back) + 1 < len(best):
            best = [(node, edge), *back]
    return best


def _path(start: int, goal: int, way: _Successors) -> Cycle:
    """The way with the fewest edges; there is one."""
    came: dict[int, tuple[int, Edge]] = {}
    ahead = deque([start])
    while goal != start and goal not in came:
        node = ahead.popleft()
        for edge in way(node):
            if edge.to not in came:
                came[edge.to] = (node, edge)
                ahead.append(edge.to)
    path = []
    while goal != start:
        path.append(came[goal])
        goal = came[goal][0]
    return path[::-1]
