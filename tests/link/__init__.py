"""Tests of farside._link."""
