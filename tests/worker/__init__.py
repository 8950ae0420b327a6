"""Tests of farside._worker."""
