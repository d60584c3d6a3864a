"""The Django site: capture, care, bank desk, freeze, audit, accounts.

What is here can be called without a server: ``serve``, ``load``, ``freeze``, ``create_person``. Django is
imported when one of them is, never before.
"""

from commensal.registry.site import create_person, freeze, load, serve

__all__ = ["create_person", "freeze", "load", "serve"]
