"""One file per embedder; registry.py names them."""
