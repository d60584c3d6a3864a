"""Whose sample it is, by its taxa and by its strains."""
