"""The order of the analyses: which comes before which. Computes nothing itself."""
