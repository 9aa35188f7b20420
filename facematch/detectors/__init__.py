"""One file per detector; registry.py names them."""
