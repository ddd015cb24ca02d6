"""What asks for runs asks for nothing while the site is paused, and says so in its tick."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from dagster import SkipReason

from clio_dagster.layout import layout_problem
from resources.pause import Pause
from resources.site import Site

T = TypeVar("T")


def unless_paused(evaluate: Callable[..., T]) -> Callable[..., T | SkipReason]:
    """For the function of a sensor or a schedule, which takes the resource `site`: skip while the site is paused, or
    its home laid out for other settings.

    What it remembers (its cursor) stays as it is. A look that had begun before the pause comes to nothing, too.
    """

    @wraps(evaluate)
    def evaluated(context: Any, site: Site) -> T | SkipReason:
        if pause := site.pauses.standing():
            return SkipReason(told(pause))
        if problem := layout_problem(site.settings):
            return SkipReason(problem)
        found = evaluate(context, site)
        pause = site.pauses.standing()
        return SkipReason(told(pause)) if pause else found

    return evaluated


def told(pause: Pause) -> str:
    """A pause in a sentence, with what ends it."""
    return f"{pause}. `clio resume` goes on"
