"""Diversity inside samples, distances between them, the tree of the taxa, and the plane."""
