"""Every change of state, each an action: ``by=`` a person, in a role, for a reason, all or nothing."""
