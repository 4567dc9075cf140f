"""How a mechanism writes its part of a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import sympy as sp

from abscopal.domain.errors import ModelError
from abscopal.equations.model import Model
from abscopal.equations.pieces import (
    NOT,
    Argument,
    Condition,
    Delay,
    Impulse,
    Parameter,
    Pieces,
    Quantity,
    State,
    Switch,
    Term,
    Update,
    Window,
)
from abscopal.equations.symbolic import expression as as_expression
from abscopal.equations.symbolic import symbol


class ModelBuilder:
    """Collects the pieces of a model; `build` checks them and returns the model.

    Examples
    --------
    >>> m = ModelBuilder("decay")
    >>> k = m.parameter("k", "1/day", "rate constant", value=0.5)
    >>> A = m.state("A", "mg", "amount", initial=0)
    >>> m.rate("A", "elimination", -k * A)
    >>> m.impulse("dose", "bolus", [Argument("mg", "mg", "amount given", source="amount")])
    >>> m.update("dose", "A", A + m["mg"])
    >>> [state.name for state in m.build().states]
    ['A']
    """

    def __init__(self, name: str, *, checked_units: bool = True) -> None:
        self.name = name
        self._checked_units = checked_units
        self._states: list[State] = []
        self._parameters: dict[str, Parameter] = {}
        self._quantities: list[Quantity] = []
        self._terms: list[Term] = []
        self._impulses: list[Impulse] = []
        self._updates: list[Update] = []
        self._windows: list[Window] = []
        self._delays: list[Delay] = []
        self._conditions: list[Condition] = []
        self._switches: dict[str, Switch] = {}
        self._mechanism = ""
        self._needs: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> sp.Symbol:
        """The symbol called `name`, declared already or later by another mechanism."""
        return symbol(name)

    @contextmanager
    def mechanism(self, name: str, *, switch: str = "", meaning: str = "") -> Iterator[None]:
        """Everything declared inside belongs to this mechanism and, if named, to its switch."""
        before = self._mechanism, self._needs
        self._mechanism = name
        if switch:
            self._switches.setdefault(switch, Switch(switch, meaning or name))
            self._needs = (*self._needs, switch)
        try:
            yield
        finally:
            self._mechanism, self._needs = before

    def parameter(
        self,
        name: str,
        unit: str,
        meaning: str,
        *,
        value: float | None = None,
        minimum: float | None = 0.0,
        key: str = "",
    ) -> sp.Symbol:
        """Declare a parameter; declaring the same one again is allowed."""
        self._parameters.setdefault(name, Parameter(name, unit, meaning, value, minimum, key))
        return symbol(name)

    def state(
        self, name: str, unit: str, meaning: str, *, initial: sp.Expr | float, lower: float | None = 0.0
    ) -> sp.Symbol:
        """Declare a state with its initial value, a number or an expression in parameters."""
        self._states.append(State(name, unit, meaning, as_expression(initial), lower, self._mechanism, self._needs))
        return symbol(name)

    def quantity(
        self,
        name: str,
        unit: str,
        meaning: str,
        base: sp.Expr | float = 0,
        *,
        combine: Literal["sum", "product"] = "sum",
        discontinuous: bool = False,
    ) -> sp.Symbol:
        """Declare an algebraic quantity to which mechanisms add terms or factors."""
        self._quantities.append(
            Quantity(name, unit, meaning, as_expression(base), combine, self._mechanism, self._needs, discontinuous)
        )
        return symbol(name)

    def rate(
        self, state: str, name: str, expression: sp.Expr, *, needs: Sequence[str] = (), discontinuous: bool = False
    ) -> None:
        """Add a named term to the rate of a state; one that jumps must be declared `discontinuous`."""
        self.contribute(state, name, expression, needs=needs, discontinuous=discontinuous)

    def contribute(
        self, target: str, name: str, expression: sp.Expr, *, needs: Sequence[str] = (), discontinuous: bool = False
    ) -> None:
        """Add a named term (or factor) to a quantity; `needs` names further switches it depends on."""
        switches = tuple(dict.fromkeys((*self._needs, *needs)))
        self._terms.append(Term(target, name, as_expression(expression), self._mechanism, switches, discontinuous))

    def impulse(self, name: str, meaning: str, arguments: Sequence[Argument], *, trigger: str = "") -> None:
        """Declare an impulse and its arguments."""
        self._impulses.append(Impulse(name, meaning, tuple(arguments), trigger, self._mechanism, self._needs))

    def clock(self, name: str, meaning: str, *, every: float, first: float | None = None) -> None:
        """Declare the step of difference equations; `update(name, state, expression)` gives each next value.

        All updates of a step see the values just before it. A step comes before the fractions, the doses and the
        report of its day, so that a value reported on a day is the one that this day's dose acts on.

        Parameters
        ----------
        name, meaning : str
        every : float
            Time between steps. [day]
        first : float, optional
            The first step; `every` unless given. Steps not after the start of a simulation are left out. [day]

        Raises
        ------
        ModelError
            A time between steps that is not positive and finite.
        """
        begin = every if first is None else first
        if not (0 < every < float("inf") and abs(begin) < float("inf")):
            raise ModelError(
                doing=f"adding the clock {name!r} to the model {self.name!r}",
                found=f"a step every {every:g} days from day {begin:g}",
                expected="finite numbers, the first above zero",
                try_="every=1.0 for a daily recursion",
            )
        self._impulses.append(Impulse(name, meaning, (), "", self._mechanism, self._needs, every, begin))

    def update(self, impulse: str, state: str, expression: sp.Expr, *, unless: str = "") -> None:
        """Set the new value of a state at an impulse, in the values just before it.

        With `unless`, only while that switch is off; the mechanism of the switch writes its own update.
        """
        needs = (*self._needs, NOT + unless) if unless else self._needs
        self._updates.append(Update(impulse, state, as_expression(expression), self._mechanism, needs))

    def rate_window(self, name: str, unit: str, meaning: str, *, trigger: str = "") -> sp.Symbol:
        """Declare something given at a constant rate between two times, and return its rate.

        The rate is a state without rate terms, moved up by the impulse `<name>_start` and down by
        `<name>_stop`, so windows that overlap add. `simulation.windows.window_events` writes the events.

        Parameters
        ----------
        name : str
            Of the rate.
        unit : str
            Of the amount given; the rate has this unit per day.
        meaning : str
        trigger : str
            `"fraction"` or `"drug:<name>"` if a regimen's fractions or doses may be given this way.
        """
        step = f"{name}_step"
        window = Window(name, unit, meaning, f"{name}_start", f"{name}_stop", step, trigger, self._needs)
        rate = self.state(name, f"{unit}/day", meaning, initial=0)
        change = [Argument(step, f"{unit}/day", f"change of {name}")]
        self.impulse(window.start, f"{meaning}: start", change)
        self.impulse(window.stop, f"{meaning}: stop", change)
        self.update(window.start, name, rate + symbol(step))
        self.update(window.stop, name, rate - symbol(step))
        self._windows.append(window)
        return rate

    def infusion(
        self, name: str, state: str, meaning: str, *, unit: str = "", drug: str = "", share: sp.Expr | float = 1
    ) -> sp.Symbol:
        """Declare an infusion into a state and return its rate.

        Parameters
        ----------
        name : str
            Of the rate window, see `rate_window`.
        state : str
            Where it goes.
        meaning : str
        unit : str
            Of the amount given; by default the unit of `state`, which must then be declared before.
        drug : str
            Doses of this drug in a regimen may be given by this infusion.
        share : expression
            What the rate is multiplied by, such as a bioavailability or one over a volume.

        Raises
        ------
        ModelError
            No `unit`, and a state that is not declared yet.
        """
        units = {declared.name: declared.unit for declared in self._states}
        if not unit and state not in units:
            raise ModelError(
                doing=f"adding the infusion {name!r} to the model {self.name!r}",
                found=f"no unit, and no state {state!r} so far",
                expected="the unit of the amount given, or a state declared before",
                try_="unit='mg'",
            )
        rate = self.rate_window(name, unit or units[state], meaning, trigger=f"drug:{drug}" if drug else "")
        self.rate(state, meaning, as_expression(share) * rate)
        return rate

    def transit(
        self,
        name: str,
        n: int,
        mean_time: sp.Expr,
        *,
        flow: sp.Expr,
        unit: str,
        meaning: str,
        source: str = "",
        target: str = "",
    ) -> sp.Expr:
        """Delay a flow by a chain of `n` compartments, and return the flow that leaves it.

        Each compartment empties at n/mean_time, so the time spent in the chain is Erlang distributed
        with this mean and a coefficient of variation of 1/√n. Nothing is lost on the way.

        Parameters
        ----------
        name : str
            Compartments are the states `<name>_1` … `<name>_n`.
        n : int
            At least 1.
        mean_time : expression
            [day]
        flow : expression
            What enters. [unit/day]
        unit : str
            Of the compartments.
        meaning : str
        source : str
            State that loses the flow; empty if it comes from outside or its loss is written elsewhere.
        target : str
            State that gains what leaves; empty if it leaves the model.

        Raises
        ------
        ModelError
            Fewer than one compartment.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ModelError(
                doing=f"adding the transit chain {name!r} to the model {self.name!r}",
                found=f"{n} compartments",
                expected="a whole number of at least 1",
                try_="n=4; the spread of the delay is its mean divided by the root of n",
            )
        speed = n / as_expression(mean_time)
        if source:
            self.rate(source, f"into {name}", -flow)
        passing = as_expression(flow)
        for k in range(1, n + 1):
            content = self.state(f"{name}_{k}", unit, f"{meaning}, compartment {k} of {n}", initial=0)
            self.rate(f"{name}_{k}", "entry", passing)
            passing = speed * content
            self.rate(f"{name}_{k}", "passage", -passing)
        if target:
            self.rate(target, f"out of {name}", passing)
        return passing

    def delayed(
        self,
        name: str,
        unit: str,
        meaning: str,
        of: sp.Expr,
        lag: sp.Expr | float,
        *,
        history: sp.Expr | float | None = None,
    ) -> sp.Symbol:
        """Declare the value that an expression had a fixed time ago, and return its symbol.

        Such a model is a delay differential equation; `simulate` solves it, compiled kernels do not. `transit`
        gives a delay that is spread, in ordinary equations.

        Parameters
        ----------
        name, unit, meaning : str
        of : expression
            In states, quantities, parameters and time.
        lag : expression
            In parameters, above zero. [day]
        history : expression, optional
            The value before the start, in parameters and time; that of the start unless given.
        """
        past = None if history is None else as_expression(history)
        self._delays.append(
            Delay(name, unit, meaning, as_expression(of), as_expression(lag), past, self._mechanism, self._needs)
        )
        return symbol(name)

    def when(self, impulse: str, condition: sp.Basic, **further: Any) -> None:
        """Let a condition, such as `A > limit`, set off an impulse; `further` as in `pieces.Condition`."""
        self._conditions.append(Condition(impulse, condition, **further))

    def build(self) -> Model:
        """The checked model, all switches on."""
        return Model(
            self.name,
            Pieces(
                tuple(self._states),
                tuple(self._parameters.values()),
                tuple(self._quantities),
                tuple(self._terms),
                tuple(self._impulses),
                tuple(self._updates),
                tuple(self._switches.values()),
                tuple(self._windows),
                tuple(self._delays),
                tuple(self._conditions),
                self._checked_units,
            ),
        )
