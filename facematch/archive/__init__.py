"""An index of many photos on disk, and the search in it (extra [archive])."""
