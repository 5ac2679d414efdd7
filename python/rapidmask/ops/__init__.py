"""The operations, one module for each family."""
