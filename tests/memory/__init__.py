"""Tests of farside._memory."""
