"""Attacks of our own on the pipeline: `clio evaluate privacy`, docs/attacks.md.

Each module is one attack; `analysts` holds the models that nobody should trust, `run` calls the attacks, and `report`
prints.
"""
