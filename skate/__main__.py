"""`python -m skate` is `skate`."""

from skate.cli.main import main

main()
