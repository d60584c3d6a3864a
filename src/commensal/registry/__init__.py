"""The Django site: capture, care, bank desk, freeze, audit, accounts.

What is here can be called without a server: ``serve``, ``load``, ``freeze``, ``create_person``,
``backup``, ``restore``, ``move``, ``work``. Django is imported when one of them is called, never before.
"""

from commensal.registry.site import backup, create_person, freeze, load, move, restore, serve, work

__all__ = ["backup", "create_person", "freeze", "load", "move", "restore", "serve", "work"]
