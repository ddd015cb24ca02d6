"""Event windows: an election or the like, watched while it lasts, with topics and alerts of its own."""
