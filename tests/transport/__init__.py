"""Tests of farside._transport."""
