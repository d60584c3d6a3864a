"""Where a community came from: donor, own baseline, other donors, unknown."""
