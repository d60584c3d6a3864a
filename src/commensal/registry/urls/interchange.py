"""Data in and out."""

from django.urls import path

from commensal.registry.api import addresses
from commensal.registry.views import exports, interchange

urlpatterns = [
    path("exchange/", interchange.exchange, name="exchange"),
    path("exchange/new", interchange.bring_in, name="bring-in"),
    path("uploads/<str:pk>/", interchange.upload, name="upload"),
    path("uploads/<str:pk>/discard", interchange.discard, name="discard-upload"),
    path("uploads/<str:pk>/columns", interchange.map_upload, name="map-upload"),
    path("uploads/<str:pk>/columns/<str:table>", interchange.map_table, name="map-table"),
    path("exports/new", exports.export, name="export"),
    path("tokens/", exports.tokens, name="tokens"),
    path("tokens/new", exports.make_token, name="make-token"),
    path("tokens/<str:pk>/revoke", exports.revoke_token, name="revoke-token"),
    *addresses(),
]
