"""Custody of material: donation, batch, unit, patient; release, expiry, trace, recall."""
