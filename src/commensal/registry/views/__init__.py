"""The pages. A view reads through ``visible``, changes through an action, and computes nothing."""
