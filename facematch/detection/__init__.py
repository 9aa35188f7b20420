"""The first stage: faces in a photo, their landmarks, and aligned chips. One file a detector."""
