"""Alerts: what is told outside the site of failed runs, late releases and the like, without a word that is private."""
