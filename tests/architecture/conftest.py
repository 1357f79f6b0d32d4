"""What the architecture tests look at: the product's source files."""

from pathlib import Path

import pytest

ROOTS = ("core", "plugins/encoders", "plugins/heads", "plugins/datasets", "plugins/metrics", "leaderboard")


@pytest.fixture(scope="session")
def sources(repository: Path) -> list[Path]:
    """Every Python file of the product and of the example, relative to the repository."""
    roots = [*ROOTS, "examples", "benchmarks"]
    found = [path for root in roots for path in (repository / root).rglob("*.py") if "build" not in path.parts]
    return sorted(path.relative_to(repository) for path in found)
