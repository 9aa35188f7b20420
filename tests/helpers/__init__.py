"""What tests share: paths, fakes, made-up data, and the scripts that wrote what tests read."""
