"""Settings of the property tests of this folder."""

from hypothesis import HealthCheck, settings

STEADY = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The same examples in every run, and no example fails for being slow on a busy machine."""
