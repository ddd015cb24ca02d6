"""Coordinated activity: groups of accounts whose conversations share a structure or a narrow topic beyond chance.

What is found is a lead for people, never a verdict.
"""

from clio_dagster.safety.coordination.find import find_groups

__all__ = ["find_groups"]
