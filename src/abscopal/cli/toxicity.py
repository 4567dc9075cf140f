"""`abscopal toxicity`: complication models, listed, evaluated and compared.

`abscopal toxicity CASE` is `abscopal toxicity assess CASE`.
"""

from typing import Annotated

import typer
from typer.core import TyperGroup

from abscopal.cli.console import JsonOption, print_json, print_table


class AssessByDefault(TyperGroup):
    """A group whose first word, where it is no subcommand, is taken as the case to assess."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put `assess` in front of a bare case."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["assess", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=AssessByDefault, help="Complication probabilities: assess a case, list models, compare.", no_args_is_help=True
)


@app.command()
def models(
    search: Annotated[str, typer.Argument(help="Only models whose id, endpoint or organ contains this text.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List every published model, offset and anchor with its status."""
    from abscopal.toxicity.table import load_models

    text = search.casefold()
    found = [m for m in load_models().values() if text in f"{m.id} {m.endpoint} {m.organ}".casefold()]
    if as_json:
        print_json(
            [
                {
                    "model": m.id, "role": m.role, "form": m.form, "endpoint": m.endpoint, "organ": m.organ,
                    "grade": m.grade, "dose": m.dose, "alpha_beta_gy": m.alpha_beta, "population": m.cohort,
                    "needs": [f"{p.organ} {p.statistic}".strip() for p in m.predictors], "status": m.status,
                    "doi": m.doi, "remark": m.remark,
                }
                for m in found
            ]
        )  # fmt: skip
        return
    rows = [(m.id, m.role, m.endpoint, m.organ, m.grade, m.form, m.status) for m in found]
    print_table(f"{len(rows)} published rows", ("model", "role", "endpoint", "organ", "grade", "form", "status"), rows)
