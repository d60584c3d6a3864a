"""The addresses of the site, area by area. Who may open which stands in ``permissions``."""

from commensal.registry.urls import bank, care, oversight, people

urlpatterns = [
    *people.urlpatterns,
    *bank.urlpatterns,
    *care.urlpatterns,
    *oversight.urlpatterns,
]
