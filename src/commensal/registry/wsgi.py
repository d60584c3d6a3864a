"""The WSGI application. It does not come up on a database without its audit triggers."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commensal.registry.settings")
application = get_wsgi_application()

from commensal.registry import audit  # noqa: E402  needs the applications loaded

audit.demand_whole(connection)
connection.close()
