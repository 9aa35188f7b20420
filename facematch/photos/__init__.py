"""From a file to an upright RGB Photo, within limits."""
