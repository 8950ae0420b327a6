"""Cannot be reached."""
