"""Other libraries' own functions, names and quirks included, on rapidmask's kernels.

Each module is named after the library that it stands in for and says which version it follows. `rapidmask.patch` puts
one in place of the library's functions. Importing a module here does not import the library.
"""
