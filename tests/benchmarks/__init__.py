"""Tests of the benchmarks; none of them needs another library to compare with."""
