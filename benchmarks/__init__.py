"""Measure farside beside other libraries: ``python -m benchmarks`` (see README.md).

This package imports nothing here: every worker that is measured imports it.
"""
