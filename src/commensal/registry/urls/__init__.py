"""The addresses of the site, area by area. Who may open which stands in ``permissions``."""

from commensal.registry.urls import accounts, bank, care, interchange, oversight, people, recall, reported

urlpatterns = [
    *accounts.urlpatterns,
    *people.urlpatterns,
    *bank.urlpatterns,
    *care.urlpatterns,
    *oversight.urlpatterns,
    *interchange.urlpatterns,
    *recall.urlpatterns,
    *reported.urlpatterns,
]
