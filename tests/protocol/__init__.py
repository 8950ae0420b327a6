"""Tests of the protocol core. No process, no thread, no clock, no file."""
