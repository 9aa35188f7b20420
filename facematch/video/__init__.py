"""From a clip to people and their scores."""
