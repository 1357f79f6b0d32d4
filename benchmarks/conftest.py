"""Print the ratios, which are what these benchmarks are for, beneath pytest-benchmark's table of seconds."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    measured = [bench for bench in session.benchmarks if bench.extra_info] if session else []
    if measured:
        terminalreporter.section("ratios")
    for bench in measured:
        terminalreporter.write_line(f"{bench.name}: {', '.join(f'{k}: {v}' for k, v in bench.extra_info.items())}")
