"""Trust and safety: what the restricted tables show to those who may look. None of it enters a release (P12)."""
