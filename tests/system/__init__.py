"""Tests of farside._system."""
