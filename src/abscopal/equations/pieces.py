"""What a model is made of: states, parameters, named terms, quantities and impulses."""

from dataclasses import dataclass
from typing import Literal

import sympy as sp

from abscopal.equations.symbolic import symbol

TIME = symbol("t")
"""Time on the simulation's clock. [day]"""
NOT = "not "
"""Before the name of a switch: the piece is there while that switch is off."""


@dataclass(frozen=True)
class Named:
    """Something with a symbol in the equations."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Switch:
    """A mechanism that can be turned off; off removes its pieces from the equations."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Parameter(Named):
    """A constant of the model.

    Attributes
    ----------
    value : float, optional
        Default; None when the caller must give it.
    minimum : float, optional
        Smallest value allowed; None for no limit. Rate constants are never negative.
    key : str
        Key of the sourced number in `knowledge`, empty for none.
    """

    value: float | None = None
    minimum: float | None = 0.0
    key: str = ""


@dataclass(frozen=True)
class State(Named):
    """A quantity that changes by its rate terms and by impulses.

    Attributes
    ----------
    initial : sympy expression
        In parameters only.
    lower : float, optional
        Value the exact solution never falls below; None for no limit.
    needs : tuple of str
        Switches that must all be on; after `NOT`, off.
    """

    initial: sp.Expr
    lower: float | None = 0.0
    mechanism: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quantity(Named):
    """An algebraic observable: the sum or product of a base and the terms mechanisms add to it."""

    base: sp.Expr
    combine: Literal["sum", "product"] = "sum"
    mechanism: str = ""
    needs: tuple[str, ...] = ()
    discontinuous: bool = False


@dataclass(frozen=True)
class Term:
    """One named contribution to the rate of a state, or to a quantity.

    Attributes
    ----------
    discontinuous : bool
        Declares that the expression jumps on purpose; otherwise a jump that reaches a rate is refused.
    """

    target: str
    name: str
    expression: sp.Expr
    mechanism: str = ""
    needs: tuple[str, ...] = ()
    discontinuous: bool = False

    @property
    def label(self) -> str:
        """How messages name the term."""
        return (
            f"{self.name!r} of {self.target} ({self.mechanism})"
            if self.mechanism
            else f"{self.name!r} of {self.target}"
        )


@dataclass(frozen=True)
class Argument:
    """An argument of an impulse.

    Attributes
    ----------
    source : {"dose", "amount", ""}
        What a regimen fills in: the dose of a fraction [Gy], the amount of a drug dose [mg], or
        nothing (the default is used unless a caller gives a value).
    """

    name: str
    unit: str
    meaning: str
    source: Literal["dose", "amount", ""] = ""
    default: float = 0.0


@dataclass(frozen=True)
class Update:
    """New value of a state at an impulse, written in the values just before it."""

    impulse: str
    state: str
    expression: sp.Expr
    mechanism: str = ""
    needs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How messages name the update."""
        return f"the update of {self.state} at {self.impulse!r}"


@dataclass(frozen=True)
class Impulse:
    """A sudden change of states; all its updates see the values just before it.

    Attributes
    ----------
    trigger : str
        `"fraction"`, `"drug:<name>"`, or empty when only an explicit event sets it off.
    every, first : float, optional
        Of a clock: the time between its steps, and the first of them; the step that takes a difference
        equation from one value to the next. [day]
    """

    name: str
    meaning: str
    arguments: tuple[Argument, ...]
    trigger: str = ""
    mechanism: str = ""
    needs: tuple[str, ...] = ()
    every: float | None = None
    first: float = 0.0


@dataclass(frozen=True)
class Delay(Named):
    """A value of the past, for rates and quantities.

    Attributes
    ----------
    of : sympy expression
        In states, quantities, parameters and time; what it was `lag` days ago.
    lag : sympy expression
        In parameters; above zero. [day]
    history : sympy expression, optional
        The value before the start, in parameters and time; by default that of the start.
    """

    of: sp.Expr
    lag: sp.Expr
    history: sp.Expr | None = None
    mechanism: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """Sets off an impulse each time it turns from false to true.

    Attributes
    ----------
    impulse : str
        One without arguments.
    when : sympy boolean
    delay : sympy expression
        From turning true to the impulse. [day]
    priority : sympy expression, optional
        Of those due at one time the largest goes first.
    persistent : bool
        Whether the impulse still comes if the condition turns false before it.
    initially : bool
        What the condition is taken to have been before the start; with false it may set off at the start.
    values_then : bool
        Whether new values are computed when the condition turns true, and not when the impulse comes.
    """

    impulse: str
    when: sp.Basic
    delay: sp.Expr = sp.S.Zero
    priority: sp.Expr | None = None
    persistent: bool = True
    initially: bool = True
    values_then: bool = True


@dataclass(frozen=True)
class Window(Named):
    """Something given at a constant rate between two times; windows that overlap add.

    It is a state of that name, constant between the impulses `start` and `stop`, which add to it and
    take away from it.

    Attributes
    ----------
    unit : str
        Of the amount given; the rate is per day.
    argument : str
        Of both impulses: the change of the rate. [unit/day]
    trigger : str
        `"fraction"`, `"drug:<name>"`, or empty: what of a regimen it gives.
    """

    start: str
    stop: str
    argument: str
    trigger: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pieces:
    """Every piece of a model, switched on or not.

    Attributes
    ----------
    checked_units : bool
        False for a model from elsewhere that does not give all its units: they are then not compared.
    """

    states: tuple[State, ...]
    parameters: tuple[Parameter, ...]
    quantities: tuple[Quantity, ...]
    terms: tuple[Term, ...]
    impulses: tuple[Impulse, ...]
    updates: tuple[Update, ...]
    switches: tuple[Switch, ...]
    windows: tuple[Window, ...] = ()
    delays: tuple[Delay, ...] = ()
    conditions: tuple[Condition, ...] = ()
    checked_units: bool = True
