"""Attacks of our own on the pipeline: `clio evaluate privacy`.

Each module is one attack of docs/attacks.md, run against the engine's own stages in memory; nothing of a site is
read or written. `pipeline` runs the stages, `analysts` holds the models that nobody should trust, `report` prints.
"""
