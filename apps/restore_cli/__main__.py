"""`python -m restore_cli`: the same as `restore`."""

from restore_cli import main

main()
