"""Tests of farside._parent.executors."""
