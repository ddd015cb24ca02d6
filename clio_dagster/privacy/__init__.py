"""What stands between conversations and readers: pseudonyms, detection, thresholds, noise and the gate.

Rules about what may leave belong here, as plain functions over frames; what writes releases does not.
"""
