"""Coordinated misuse, high-stakes events, and the audit of classifiers: for Trust & Safety, never in a release."""
