"""The second stage: chips to vectors. One file per embedder."""
