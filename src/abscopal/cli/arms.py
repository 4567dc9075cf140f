"""Regimens as the words of a command: one from doses and drugs, or several from files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from abscopal.domain.errors import InputError

if TYPE_CHECKING:
    from abscopal.domain.regimen import DrugDose, Regimen

UNTREATED = "no treatment"


def read_arms(files: list[str], treated: "Regimen", *, control: bool) -> "dict[str, Regimen]":
    """Regimens by name: those of the files, else `treated`; and one without treatment if asked for."""
    from abscopal.domain.regimen import Regimen

    arms = dict(_regimen_file(text) for text in files) if files else {treated.name: treated}
    return arms | ({UNTREATED: Regimen(name=UNTREATED)} if control else {})


def regimen_of(dose: float, fractions: int, start: float, drugs: "list[DrugDose]", **spacing: Any) -> "Regimen":
    """Equal fractions from day `start`, named after what is given."""
    from abscopal.domain.regimen import Regimen

    given = [f"{fractions} × {dose:g} Gy"] if fractions and dose else []
    given += dict.fromkeys(drug.drug for drug in drugs)
    return Regimen.equal_fractions(
        dose, fractions, start=start, drug_doses=drugs, name=" + ".join(given) or UNTREATED, **spacing
    )


def drug_doses(text: str) -> "list[DrugDose]":
    """Doses written as `NAME:MG:DAYS`.

    Raises
    ------
    InputError
        Anything else.
    """
    from pydantic import ValidationError

    from abscopal.domain.regimen import DrugDose

    try:
        name, amount, days = text.split(":")
        return [DrugDose(drug=name.strip(), mg=float(amount), day=float(day)) for day in days.split(",")]
    except (ValueError, ValidationError) as exc:
        raise InputError(
            doing="reading a drug", found=repr(text), expected="NAME:MG:DAYS, amounts not negative",
            try_="anti-PD-1:0.2:2,5,8",
        ) from exc  # fmt: skip


def _regimen_file(text: str) -> "tuple[str, Regimen]":
    import tomllib

    from pydantic import ValidationError

    from abscopal.domain.regimen import Regimen

    name, _, path = text.rpartition("=")
    try:
        read = Regimen.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as exc:
        raise InputError(
            doing=f"reading the regimen {text!r}",
            found="; ".join(e["msg"] for e in exc.errors())
            if isinstance(exc, ValidationError)
            else str(exc).splitlines()[0],
            expected="ARM=FILE.toml with fraction_days [day], fraction_doses [Gy] and drug_doses (drug, mg, day)",
            try_="fraction_days = [7, 8, 9] and fraction_doses = [8, 8, 8]",
        ) from exc
    return name or read.name or Path(path).stem, read
