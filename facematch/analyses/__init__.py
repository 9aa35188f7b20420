"""What people ask about a family, as functions of an Engine and photos."""
