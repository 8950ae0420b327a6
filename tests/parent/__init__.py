"""Tests of farside._parent."""
