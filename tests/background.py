"""Threads of tests: what they return or raise is seen by the test, and none is waited for long.

A link is waited for as long as that too.
"""

from farside.testing.checks import SECONDS, Background, receive

__all__ = ["SECONDS", "Background", "receive"]
