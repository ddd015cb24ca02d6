"""What the command line prints while it works and when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from clio_dagster.settings import Settings

console = Console()
errors = Console(stderr=True)


def report(settings: Settings, outcome: Any) -> None:
    """Print what a run came to: files, releases, and the newest one's topics."""
    from clio_dagster.release.read import read_release
    from clio_dagster.release.tree import topics_tree

    table = Table("date", "revision", "topics", "top level", "state", title="Releases", title_justify="left")
    last = None
    for day in outcome.dates:
        folder = settings.home / "releases" / day.isoformat()
        if not folder.is_dir():
            table.add_row(day.isoformat(), "", "", "", "[red]none[/]")
            continue
        release = read_release(folder)
        published = release.tables["topics"]
        top = published.filter(published["parent_id"].is_null()).height
        table.add_row(
            day.isoformat(), str(release.manifest.revision), str(published.height), str(top), "published"
        )
        last = (folder, published)
    if outcome.files or outcome.quarantined:
        console.print(
            f"{outcome.landed:,} conversations landed from {outcome.files:,} file(s), "
            f"{outcome.quarantined:,} records quarantined."
        )
    if outcome.quarantined:
        for reason, count in outcome.reasons:
            console.print(f"  [yellow]{count:,}[/] × {reason}")
    if outcome.dates:
        console.print(table)
    if last:
        folder, published = last
        console.print(topics_tree(published, depth=2))
        console.print(f"Explorer: {folder / 'explorer' / 'index.html'}", soft_wrap=True)


@contextmanager
def bars() -> Iterator[Any]:
    """A rich bar for every step: rate and remaining time; one line a step where there is no terminal."""
    progress = Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )

    @contextmanager
    def listener(stage: str, total: int | None, unit: str) -> Iterator[Any]:
        task = progress.add_task(stage.replace("_", " "), total=total, rate="")

        def advance(count: int) -> None:
            progress.advance(task, count)
            speed = progress.tasks[progress.task_ids.index(task)].speed
            if speed:
                progress.update(
                    task, rate=f"{speed:,.1f} {unit}s/s" if speed < 1000 else f"{speed:,.0f} {unit}s/s"
                )

        try:
            yield advance
        finally:
            progress.remove_task(task)

    with progress:
        yield listener
