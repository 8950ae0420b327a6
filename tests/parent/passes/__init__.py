"""Tests of farside._parent.passes."""
