"""``python -m histobench.cli`` does what ``histobench`` does."""

from histobench.cli import main

main()
