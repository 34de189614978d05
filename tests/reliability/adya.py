"""Adya's anomalies in histories of appends to lists: what no serial order could have shown.

A list that is only appended to tells its own past: whoever reads it sees every version that came
before. So the order of versions is read off the longest read of each key, and from it follow the
dependencies between transactions:

    ww  the second added the next value to a list
    wr  the second read the version that the first made
    rw  the second made the version after the one that the first read
    rt  the first had ended before the second began

A history is strictly serializable where these have no cycle. A cycle is named by its weakest
part: G0 of ww alone, G1c with a wr, G-single with exactly one rw, G2-item with more; `-realtime`
where it needs an rt. What is wrong without any cycle is found first: it makes the orders doubtful.

After Adya's definitions (1999) and Kingsbury and Alvaro's inference from lists (2020).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.reliability.cycles import Cycle, Edge, Graph, cycles
from tests.reliability.histories import Append, Read, Transaction


@dataclass(frozen=True)
class Anomaly:
    """Something that cannot have been.

    Args:
        kind: G0, G1a, G1b, G1c, G-single, G2-item (cycles also with `-realtime`); `lost`,
            `duplicate`, `unwritten`, `incompatible-order`, `internal`.
        what: In words; transactions are called by the index of their invocation.
        cycle: Transactions of a witnessing cycle, each depending on the one before it.
    """

    kind: str
    what: str
    cycle: tuple[int, ...] = ()


def check(history: Sequence[Transaction], *, realtime: bool = True) -> list[Anomaly]:
    """Find what contradicts strict serializability, or with realtime=False, serializability.

    What was acknowledged must be in every read that begins later, whatever `realtime` says.

    Args:
        history: In the order of `began`. Each value is appended to a list once at most.

    Returns:
        One or more anomalies of each kind that is there; none where the history is clean.

    Raises:
        ValueError: A value is appended to a list twice, so nothing can be inferred.
    """
    facts = _Facts(history)
    found = [
        *facts.values(),
        *facts.disordered(),
        *facts.internal(),
        *facts.aborted_and_intermediate(),
        *facts.lost(),
    ]
    graph = facts.graph()
    round_trips = [_told(kind, cycle, facts) for kind, cycle in cycles(graph)]
    if realtime and not round_trips:
        facts.add_time(graph)
        round_trips = [
            _told(f"{kind}-realtime", cycle, facts)
            for kind, cycle in cycles(graph, frozenset({"rt"}))
        ]
    return found + round_trips


class _Facts:
    """Who wrote what, who read what, and the order of the versions of each list."""

    def __init__(self, history: Sequence[Transaction]) -> None:
        self.history = history
        self.writer: dict[tuple[int, int], int] = {}
        self.followed: set[tuple[int, int]] = set()
        self.reads: list[tuple[int, Read, tuple[int, ...]]] = []
        self.order: dict[int, tuple[int, ...]] = {}
        for number, made in enumerate(history):
            last: dict[int, int] = {}
            for micro in made.value:
                if isinstance(micro, Append):
                    if micro in self.writer:
                        raise ValueError(f"{micro.value} is appended to {micro.key} twice")
                    self.writer[micro] = number
                    if micro.key in last:
                        self.followed.add((micro.key, last[micro.key]))
                    last[micro.key] = micro.value
                elif made.type == "ok" and micro.values is not None:
                    # What a transaction sees of its own says nothing about others.
                    own = 0
                    while own < len(micro.values) and (
                        self.writer.get((micro.key, micro.values[-1 - own])) == number
                    ):
                        own += 1
                    others = micro.values[: len(micro.values) - own]
                    self.reads.append((number, micro, others))
                    if len(micro.values) > len(self.order.get(micro.key, ())):
                        self.order[micro.key] = micro.values
        self.place = {
            (key, value): place
            for key, values in self.order.items()
            for place, value in enumerate(values)
        }
        self.gone = self._gone()

    def name(self, number: int) -> str:
        return f"T{self.history[number].began}"

    def values(self) -> Iterator[Anomaly]:
        """Values out of nowhere, values that are there twice, and reads of no common order."""
        judged: set[int] = set()
        for number, read, _ in self.reads:
            values, longest = read.values or (), self.order.get(read.key, ())
            who = f"{self.name(number)} read {_brief(values)} from {read.key}"
            if longest[: len(values)] != values:
                yield Anomaly(
                    "incompatible-order", f"{who}, which does not begin {_brief(longest)}"
                )
            elif len(values) < len(longest) or read.key in judged:
                continue  # the longest read speaks for all that it begins with
            else:
                judged.add(read.key)
            if len(set(values)) < len(values):
                yield Anomaly("duplicate", f"{who}: a value is there twice")
            strange = [value for value in values if (read.key, value) not in self.writer]
            if strange:
                yield Anomaly("unwritten", f"{who}: nobody appended {_brief(strange)}")

    def disordered(self) -> Iterator[Anomaly]:
        """Appends of one transaction to one list that are there in another order, or with gaps."""
        appended: dict[tuple[int, int], list[int]] = defaultdict(list)
        for (key, value), number in self.writer.items():
            appended[number, key].append(value)
        for (number, key), values in appended.items():
            places = [self.place.get((key, value)) for value in values]
            there = [place for place in places if place is not None]
            if there and places[: len(there)] != sorted(there):
                yield Anomaly(
                    "incompatible-order",
                    f"{self.name(number)} appended {_brief(values)} to {key}, "
                    f"which is read as {_brief(self.order[key])}",
                )

    def internal(self) -> Iterator[Anomaly]:
        """Transactions that do not see what they have seen and appended themselves."""
        for number, made in enumerate(self.history):
            if made.type != "ok" or len(made.value) < 2:
                continue
            seen: dict[int, tuple[int, ...]] = {}
            added: dict[int, tuple[int, ...]] = defaultdict(tuple)
            for micro in made.value:
                if isinstance(micro, Append):
                    added[micro.key] += (micro.value,)
                    continue
                if micro.values is None:
                    continue
                mine = added[micro.key]
                others = micro.values[: len(micro.values) - len(mine)]
                if (
                    others + mine != micro.values
                    or seen.get(micro.key, others) != others
                    or (others and self._is_ahead(number, micro.key, others[-1], seen))
                ):
                    yield Anomaly(
                        "internal",
                        f"{self.name(number)} read {_brief(micro.values)} from {micro.key}, "
                        f"not what it had seen with {_brief(mine)} appended",
                    )
                seen[micro.key], added[micro.key] = micro.values, ()

    def aborted_and_intermediate(self) -> Iterator[Anomaly]:
        """Reads of what was rolled back, or of what its transaction had not finished."""
        aborted: dict[int, set[int]] = defaultdict(set)
        for (key, value), number in self.writer.items():
            if self._type(number) == "fail":
                aborted[key].add(value)
        for number, read, others in self.reads:
            if read.key in aborted:
                for value in aborted[read.key].intersection(read.values or ()):
                    giver = self.name(self.writer[read.key, value])
                    yield Anomaly(
                        "G1a",
                        f"{self.name(number)} read {value} from {read.key}, "
                        f"which {giver} appended and was refused",
                    )
            if others and (read.key, others[-1]) in self.followed:
                giver = self.name(self.writer[read.key, others[-1]])
                yield Anomaly(
                    "G1b",
                    f"{self.name(number)} read {read.key} up to {others[-1]}, "
                    f"to which {giver} then appended more",
                )

    def lost(self) -> Iterator[Anomaly]:
        """Values that were acknowledged, and that no read has, not even one that began later."""
        for key, value in sorted(self.gone):
            giver = self.name(self.writer[key, value])
            yield Anomaly("lost", f"{giver} appended {value} to {key}: no later read has it")

    def graph(self) -> Graph:
        """The dependencies that the values show, by transaction."""
        graph: Graph = [[] for _ in self.history]
        unseen: dict[int, list[int]] = defaultdict(list)
        for (key, value), number in self.writer.items():
            if (
                self._type(number) != "fail"
                and (key, value) not in self.place
                and (key, value) not in self.gone
            ):
                unseen[key].append(number)

        def depend(kind: str, first: int | None, second: int | None, key: int) -> None:
            if first is not None and second is not None and first != second:
                graph[first].append(Edge(kind, second, key))

        for key, values in self.order.items():
            writers = [self.writer.get((key, value)) for value in values]
            for first, second in pairwise(writers):
                depend("ww", first, second, key)
            for number in unseen[key]:
                # What nobody has seen can only come after everything that somebody has.
                if writers:
                    depend("ww", writers[-1], number, key)
        for number, read, others in self.reads:
            order = self.order.get(read.key, ())
            if others:
                depend("wr", self.writer.get((read.key, others[-1])), number, read.key)
                place = self.place.get((read.key, others[-1]))
                if place is None:
                    continue
                following = place + 1
            else:
                following = 0
            if following < len(order):
                depend("rw", number, self.writer.get((read.key, order[following])), read.key)
            else:
                for second in unseen[read.key]:
                    depend("rw", number, second, read.key)
        return graph

    def add_time(self, graph: Graph) -> None:
        """Add who had ended before whom: over a chain of moments, so that n edges suffice."""
        moments = [(made.began, number, False) for number, made in enumerate(self.history)]
        moments += [
            (made.ended, number, True)
            for number, made in enumerate(self.history)
            if made.ended is not None
        ]
        now: int | None = None
        for _, number, ends in sorted(moments):
            if not ends:
                if now is not None:
                    graph[now].append(Edge("rt", number, None))
                continue
            graph.append([])
            if now is not None:
                graph[now].append(Edge("rt", len(graph) - 1, None))
            now = len(graph) - 1
            graph[number].append(Edge("rt", now, None))

    def _type(self, number: int) -> str:
        return self.history[number].type

    def _is_ahead(
        self, number: int, key: int, value: int, seen: dict[int, tuple[int, ...]]
    ) -> bool:
        """Whether a transaction read of its own what it had yet to append."""
        return self.writer.get((key, value)) == number and value not in seen.get(key, ())

    def _gone(self) -> set[tuple[int, int]]:
        """Acknowledged values that no read has, though one of their list began after them."""
        latest: dict[int, int] = {}
        for number, read, _ in self.reads:
            latest[read.key] = max(latest.get(read.key, -1), self.history[number].began)
        gone = set()
        for (key, value), number in self.writer.items():
            ended = self.history[number].ended
            acknowledged = self._type(number) == "ok" and ended is not None
            if acknowledged and (key, value) not in self.place:
                assert ended is not None
                if ended < latest.get(key, -1):
                    gone.add((key, value))
        return gone


def _brief(values: Sequence[int]) -> str:
    if len(values) <= 8:
        return str([*values])
    return f"[… {', '.join(map(str, values[-6:]))}] ({len(values)} values)"


def _told(kind: str, cycle: Cycle, facts: _Facts) -> Anomaly:
    """A cycle in words, the moments of time between two transactions left out."""
    at = next(place for place, (node, _) in enumerate(cycle) if node < len(facts.history))
    steps: list[str] = []
    nodes: list[int] = []
    for node, edge in cycle[at:] + cycle[:at]:
        if node < len(facts.history):
            nodes.append(node)
            over = "" if edge.key is None else f" over {edge.key}"
            steps.append(f"{facts.name(node)} {edge.kind}{over}")
    told = " → ".join([*steps, facts.name(nodes[0])])
    return Anomaly(kind, told, tuple(facts.history[node].began for node in nodes))
