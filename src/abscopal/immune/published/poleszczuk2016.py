"""Where activated T cells of one site are absorbed: Poleszczuk 2016 as a Markov chain, solved exactly.

A T cell leaves site j with venous blood, passes the lung, and then an organ chosen by its share of cardiac output;
in each organ i it stays with probability h_i, or goes on. The rates and h of the paper were not recovered: they are
arguments here, and this is no model of tumour growth.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
LUNG, LIVER = "lung", "liver"


def absorption(
    flows: Mapping[str, float], extravasation: Mapping[str, float], *, portal: Sequence[str] = ()
) -> tuple[tuple[str, ...], FloatArray]:
    r"""Probability that a T cell activated at one site is absorbed at another.

    .. math:: P = (I - Q)^{-1} R, \qquad Q_{ki} = p_{ki}(1 - h_i), \quad R_{ki} = p_{ki} h_i

    with the passages counted so that the cell arrives at each organ before it may leave it.

    Parameters
    ----------
    flows : mapping
        Organ in the systemic circulation to its share of cardiac output, arterial; sums to 1 or less. What is left is
        a passage through the rest of the body, where nothing is absorbed. [1]
    extravasation : mapping
        Organ, and `lung`, to the probability h of being absorbed in one passage; 0 where left out. [1]
    portal : sequence of str
        Organs whose venous blood goes through the `liver`.

    Returns
    -------
    organs : tuple of str
        The lung, then those of `flows`.
    probability : array, shape (n, n)
        Row: where the cell was activated. Column: where it is absorbed. Rows sum to 1.

    Raises
    ------
    InputError
        Shares or probabilities outside 0 to 1, shares that add to more than 1, organs without a flow, nothing that
        absorbs, portal organs without a liver.
    """
    _check(flows, extravasation, portal)
    organs = (LUNG, *(name for name in flows if name != LUNG))
    places = (*organs, "rest")
    n = len(places)
    h = np.array([extravasation.get(name, 0.0) for name in places])
    arterial = np.array([0.0, *(flows[name] for name in organs[1:]), 1.0 - sum(flows[name] for name in organs[1:])])
    onward = np.zeros((n, n))  # where blood that leaves a place arrives next
    onward[0] = arterial
    onward[1:, 0] = 1.0
    for name in portal:
        onward[places.index(name)] = np.eye(n)[places.index(LIVER)]
    passing = onward * (1.0 - h)
    absorbed = np.linalg.solve(np.eye(n) - passing, onward * h)
    return organs, np.asarray(absorbed[:-1, :-1])


def _check(flows: Mapping[str, float], h: Mapping[str, float], portal: Sequence[str]) -> None:
    known = {LUNG, *flows}
    wrong = {
        "shares of flow outside 0 to 1": not all(0.0 < share <= 1.0 for share in flows.values()),
        "shares of flow that add to more than 1": sum(v for k, v in flows.items() if k != LUNG) > 1.0 + 1e-9,
        "probabilities outside 0 to 1": not all(0.0 <= value <= 1.0 for value in h.values()),
        "nothing that absorbs": not any(value > 0.0 for value in h.values()),
        "organs without a flow": not set(h) | set(portal) <= known,
        "portal organs without a liver": bool(portal) and LIVER not in flows,
    }
    found = [text for text, bad in wrong.items() if bad]
    if found:
        raise InputError(
            doing="computing where T cells are absorbed",
            found=", ".join(found),
            expected="positive shares of cardiac output up to 1 in all, probabilities of absorption of known organs",
            try_="flows={'liver': 0.065, 'spleen': 0.03}, extravasation={'liver': 0.1, 'lung': 0.05}",
        )
