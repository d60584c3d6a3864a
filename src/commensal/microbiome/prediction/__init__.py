"""Which taxa will be present after transplant, held against their prevalence alone."""
