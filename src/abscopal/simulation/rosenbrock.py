"""The Rosenbrock method that kernels step with: RODAS4, six stages, order 4(3), L-stable and stiffly accurate.

Method coefficients are not measurements, so they are here and not among the sourced numbers.

References
----------
.. [1] Hairer and Wanner, "Solving Ordinary Differential Equations II", 2nd ed., Springer 1996, section IV.7 and
   the code RODAS (method 1). The order is checked in `tests/simulation/test_kernel_accuracy.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tableau:
    """Coefficients in the form that needs no matrix product (Hairer and Wanner, eq. IV.7.25).

    Stage i solves (I/(hγ) - J)·uᵢ = f(t + cᵢh, y + Σaᵢⱼuⱼ) + Σ(gᵢⱼ/h)uⱼ + dᵢh·∂f/∂t. The last stage is the error
    estimate and the new state is the last stage's argument plus its uᵢ.
    """

    gamma: float
    a: tuple[tuple[float, ...], ...]
    g: tuple[tuple[float, ...], ...]
    c: tuple[float, ...]
    d: tuple[float, ...]

    @property
    def stages(self) -> int:
        """Number of stages."""
        return len(self.c)


_A5 = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)
RODAS4 = Tableau(
    gamma=0.25,
    a=(
        (),
        (1.544000000000000,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _A5,
        (*_A5, 1.0),
    ),
    g=(
        (),
        (-5.668800000000000,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    c=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
    d=(0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0),
)
