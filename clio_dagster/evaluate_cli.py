"""`clio evaluate`: what the pipeline promises, measured."""

from __future__ import annotations

from typing import Annotated

import typer

from clio_dagster.failures import CallError, StageError
from clio_dagster.terminal import bars, console

evaluate = typer.Typer(help="Measure what the pipeline promises.", no_args_is_help=True)


@evaluate.command()
def privacy(
    attacks: Annotated[
        list[str],
        typer.Option(
            "--attack", help="Run this attack alone; may be given several times.", show_default=False
        ),
    ] = [],  # noqa: B006
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="Paired runs of each comparison; 400 if not given.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the corpora and every draw of noise.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Small versions of all, in about a minute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Attack the privacy layers with made-up conversations. Exit 1 where one does not hold. See docs/attacks.md."""
    from clio_dagster.evaluation.run import ATTACKS, run
    from clio_dagster.progress import listening

    if unknown := sorted({*attacks} - ATTACKS.keys()):
        raise CallError(f"no attack is called {', '.join(unknown)}: there are {', '.join(ATTACKS)}")
    if as_json:
        found = run(attacks, pairs=pairs, seed=seed, quick=quick)
        typer.echo(found.json())
    else:
        with bars() as shown, listening(shown):
            found = run(attacks, pairs=pairs, seed=seed, quick=quick)
        for table in found.tables():
            console.print(table)
    if not found.held:
        missed = [line.attack for line in found.lines if line.held is False]
        raise StageError(f"{len(missed)} attacks get further than they may: {'; '.join(missed)}")
