"""`python -m facematch` is `facematch`."""

from facematch.cli import main

if __name__ == "__main__":
    main()
