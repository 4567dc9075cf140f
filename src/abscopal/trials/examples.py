"""Example designs that ship with the package, the same files as in `examples/trials`."""

from importlib.resources import files

from abscopal.domain.registry import unknown_name


def example_names() -> list[str]:
    """Names of the example designs."""
    folder = files("abscopal.trials") / "designs"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def example_design(name: str) -> str:
    """The TOML text of one example.

    Raises
    ------
    InputError
        An unknown name, with the close match.
    """
    if name not in example_names():
        raise unknown_name("reading an example design", name, example_names())
    return (files("abscopal.trials") / "designs" / f"{name}.toml").read_text(encoding="utf-8")
