"""Tests of farside._payload."""
