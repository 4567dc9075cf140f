"""Errors and warnings with four-part messages.

A person who meets one of these learns what was being done, what was found, what was
expected and what to try; nothing else is raised across a public boundary on purpose.
"""


class AbscopalError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    doing, found, expected, try_ : str
        The four parts of the message, each one clause without a final full stop.
    """

    exit_code = 1

    def __init__(self, *, doing: str, found: str, expected: str, try_: str) -> None:
        self.doing, self.found, self.expected, self.try_ = doing, found, expected, try_
        super().__init__(f"while {doing}: found {found}; expected {expected}. Try: {try_}.")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the four parts, so that an error crosses a process boundary whole."""
        return _rebuild, (type(self), self.doing, self.found, self.expected, self.try_)

    def parts(self) -> dict[str, str]:
        """The message as a mapping, for JSON output."""
        return {
            "error": type(self).__name__,
            "doing": self.doing,
            "found": self.found,
            "expected": self.expected,
            "try": self.try_,
        }


def _rebuild(kind: type[AbscopalError], doing: str, found: str, expected: str, try_: str) -> AbscopalError:
    return kind(doing=doing, found=found, expected=expected, try_=try_)


class InputError(AbscopalError):
    """The user's input was wrong (exit code 2)."""

    exit_code = 2


class UnitError(InputError):
    """A quantity has the wrong unit, no unit, or a value no patient has."""


class DicomError(InputError):
    """A DICOM file or set of files cannot be used as it is."""


class UnsupportedError(InputError):
    """The input is valid, but this version cannot do what it asks."""


class KnowledgeError(AbscopalError):
    """A knowledge file breaks the schema; a defect of the package or of a plug-in."""


class ModelError(InputError):
    """A model is ill-formed, or was given parameters it cannot take."""


class ConvergenceError(AbscopalError):
    """A solver did not reach its end; says for whom, when and in which state."""


class AbscopalWarning(UserWarning):
    """Base of the warnings that reports collect and print."""


class ExtrapolationWarning(AbscopalWarning):
    """A model was used outside the range it was fitted on."""


class UnverifiedWarning(AbscopalWarning):
    """A number marked recalled, assumed or uncertain was used."""
