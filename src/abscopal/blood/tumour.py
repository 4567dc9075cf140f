"""A contoured tumour as a compartment of its own, carved from the organ it grows in."""

from collections.abc import Mapping
from dataclasses import replace

from abscopal.blood.circulation import SHEET, Network
from abscopal.blood.organs import TUMOUR, best_alternative
from abscopal.blood.plan_exposure import volume_outside
from abscopal.blood.tailor import carve_tumour
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import DVH, dvh_of_samples
from abscopal.knowledge.load import load

GTV = "GTV"
WITHOUT = "-GTV"  # how the names of organs without their tumour end


def carve_contoured_tumour(
    network: Network, dvhs: Mapping[str, DVH], host: str, *, density: float = 1.0, perfusion: float = 1.0
) -> tuple[Network, dict[str, DVH]]:
    """The network with the tumour beside its host, and the histograms that go with it.

    The tumour's share of volume is that of its contour in the host with the tumour in it. The
    host keeps its own dose: that of `HOST-GTV` where it is contoured, else the host's less the
    tumour's.

    Parameters
    ----------
    network : Network
    dvhs : mapping
        TG-263 name to DVH; the tumour is `GTV`, or else the only structure whose name starts so.
    host : str
        Compartment the tumour lies in.
    density, perfusion : float
        Blood volume and flow of tumour tissue relative to the host's. [1]

    Returns
    -------
    tuple of Network and dict
        For `plan_exposure.blood_dose_of_plan`.

    Raises
    ------
    InputError
        No or several tumours, no contour of the whole host, or a tumour that would take all of it.
    """
    network.index(host)
    tumour, name, whole = _tumour(dvhs), *_host(dvhs, host)
    volume = whole.volume_cm3 + (tumour.volume_cm3 if name.endswith(WITHOUT) else 0.0)
    share = tumour.volume_cm3 / volume
    carved = carve_tumour(network, host, share, density=density, perfusion=perfusion, name=TUMOUR)
    note = (
        f"the tumour is {100 * share:.3g} % of {host} by volume, with {density:g} times its blood per volume and "
        f"{perfusion:g} times its flow: assumed"
    )
    kept = dict(dvhs) | {GTV: tumour}
    if not name.endswith(WITHOUT):
        kept[name] = dvhs.get(f"{name}{WITHOUT}") or _less(whole, tumour)
    return replace(carved, notes=(*carved.notes, note)), kept


def _tumour(dvhs: Mapping[str, DVH]) -> DVH:
    if GTV in dvhs:
        return dvhs[GTV]
    named = sorted(name for name in dvhs if name.startswith(GTV))
    if len(named) != 1:
        raise InputError(
            doing="carving the tumour from its host",
            found=f"{len(named)} structures named {GTV}…: {', '.join(named) or 'none'}",
            expected=f"one tumour, named {GTV}",
            try_=f"naming the union of the tumours {GTV}",
        )
    return dvhs[named[0]]


def _host(dvhs: Mapping[str, DVH], host: str) -> tuple[str, DVH]:
    table = load(SHEET).table("organs").fillna("").set_index("compartment")["structures"]
    names = best_alternative(str(table.get(host, "")), {name: dvh.mean for name, dvh in dvhs.items()})
    if len(names) != 1 or names[0] not in dvhs:
        raise InputError(
            doing="carving the tumour from its host",
            found=f"no single contour of {host}",
            expected=" + ".join(names) or "a compartment that is an organ",
            try_="contouring the whole organ as one structure",
        )
    return names[0], dvhs[names[0]]


def _less(whole: DVH, tumour: DVH) -> DVH:
    doses, volume = volume_outside(whole, [tumour])
    kept = volume > 0.0
    if not kept.any():
        raise InputError(
            doing="carving the tumour from its host",
            found=f"{whole.organ} of {whole.volume_cm3:.3g} cm³ and a tumour of {tumour.volume_cm3:.3g} cm³",
            expected="a tumour smaller than its host",
            try_="another host",
        )
    return dvh_of_samples(f"{whole.organ}{WITHOUT}", doses[kept], volume[kept], kind=whole.kind)
