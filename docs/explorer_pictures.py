"""The explorer's pictures in docs/images/, taken of a release's page.

    .venv/bin/clio demo
    .venv/bin/python -m docs.explorer_pictures .clio/releases/DATE/explorer/index.html

Needs chromium on the PATH (`apt-get install chromium`).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
SIZE = {"width": 1400, "height": 900}
PICTURES = {"explorer-map": ("#view=map", "light"), "explorer-tree": ("", "dark")}
"""By file name: what the address says, and the colour scheme."""


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path)
    address = parser.parse_args().page.resolve(strict=True).as_uri()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (view, scheme) in PICTURES.items():
            page = browser.new_page(viewport=SIZE, color_scheme=scheme, locale="en-US")
            page.goto(f"{address}{view}")
            page.wait_for_timeout(500)
            file = IMAGES / f"{name}.png"
            page.screenshot(path=file)
            print(f"{file.name}: {file.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
