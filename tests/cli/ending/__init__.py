"""A package that ends whatever imports it."""

raise SystemExit(3)
