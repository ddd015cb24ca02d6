"""Releases over HTTP, read-only: whole files (`files`), pages (`pages`), answers (`answers`), the server (`server`).

Nothing here reads anything of the home but its releases.
"""
