"""What people ask about a family, as functions of an Engine: family, timeline, card, explain, find."""
