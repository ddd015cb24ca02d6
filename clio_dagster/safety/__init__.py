"""What Trust & Safety alone sees."""
