"""Photos to a Gallery: the three stages in batches, with what a FaceStore knows already."""
