"""The explicit method for patients who turn out not to be stiff: Dormand and Prince's pair of orders 5 and 4.

Method coefficients are not measurements, so they are here and not among the sourced numbers.

References
----------
.. [1] Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", 2nd ed., Springer 1993, section II.5;
   the stiffness test is that of the code DOPRI5, section IV.2 of volume II. The order is checked in
   `tests/simulation/test_kernel_accuracy.py`.
"""

STAGES = 7
A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
"""Stage arguments; the last is the new state, whose rates are the first stage of the next step."""

C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)

STABLE = 3.25
"""|hλ| above which a step is held back by stability, not by accuracy."""
STIFF_AFTER, CALM_AFTER = 15, 6
"""Such steps that make a patient stiff, and steps without one after which the count starts anew."""
