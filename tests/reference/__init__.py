"""Literal definitions in NumPy, which import nothing of rapidmask."""
