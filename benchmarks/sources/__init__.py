"""What the workers yield."""
