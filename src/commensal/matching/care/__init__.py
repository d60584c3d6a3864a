"""The care plan of one recipient, and the options after follow-up."""
