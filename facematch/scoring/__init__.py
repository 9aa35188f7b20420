"""The third stage: vectors to cosines, scores and likelihood ratios."""
