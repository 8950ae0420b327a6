"""Threads of tests: what they return or raise is seen by the test, and none is waited for long."""

from farside.testing.checks import SECONDS, Background

__all__ = ["SECONDS", "Background"]
