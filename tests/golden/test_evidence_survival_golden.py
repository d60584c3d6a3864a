"""Numbers of R 4.2.2 (survival 3.5-3, cmprsk 2.2-11) on R's own example data."""

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.evidence.survival import aalen_johansen, at_times, kaplan_meier

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]


def read(name: str) -> pl.DataFrame:
    return pl.read_csv(Path(os.environ["COMMENSAL_DATA"]) / "evidence" / name, null_values=["NA", ""])


def test_kaplan_meier_of_lung_is_survfit_with_log_log_limits():
    lung = read("lung.csv").select("time", event=pl.col("status") - 1)
    found = at_times(kaplan_meier(lung), [90, 365, 730], start=1)
    expected = {
        "estimate": [0.88157895, 0.40924162, 0.11569310],
        "se": [0.021398220, 0.035823638, 0.028298197],
        "lower": [0.832071342, 0.338714269, 0.067632151],
        "upper": [0.91721360, 0.47838077, 0.17782520],
        "n_at_risk": [201, 65, 13],
    }
    for column, values in expected.items():
        assert found[column].to_list() == pytest.approx(values, rel=1e-7), column


def test_kaplan_meier_of_lung_by_sex():
    lung = read("lung.csv").select("time", stratum=pl.col("sex"), event=pl.col("status") - 1)
    found = at_times(kaplan_meier(lung), [365], start=1)
    assert found["estimate"].to_list() == pytest.approx([0.336087835, 0.526463030], rel=1e-8)
    assert found["lower"].to_list() == pytest.approx([0.252729143, 0.403579823], rel=1e-8)


def test_aalen_johansen_of_mgus2_is_multistate_survfit():
    rows = read("mgus2_cr.csv").select(time="etime", event="event")
    found = at_times(aalen_johansen(rows, causes=[1]), [60, 120, 240], start=0)
    expected = {
        "estimate": [0.034103713, 0.063722168, 0.099813716],
        "se": [0.0048892579, 0.0067968484, 0.0097848468],
        "lower": [0.025441991, 0.051281676, 0.081689951],
        "upper": [0.044657722, 0.077933025, 0.120019132],
    }
    for column, values in expected.items():
        assert found[column].to_list() == pytest.approx(values, rel=1e-7), column


def test_aalen_johansen_of_mgus2_by_sex_both_causes():
    rows = read("mgus2_cr.csv").select(time="etime", event="event", stratum="sex")
    found = at_times(aalen_johansen(rows), [60, 240], start=0)
    # Strata F, M; causes progression, death.
    assert found["estimate"].to_list() == pytest.approx(
        [0.039789622, 0.104940674, 0.26396515, 0.69530780, 0.029346284, 0.095650755, 0.36762699, 0.74812789],
        rel=1e-7,
    )


def test_survival_and_incidence_at_study_size():
    rows = read("sim4k_patients.csv").select("time", "event")
    # The reference curve counts remission only; the competing event is censored there.
    survival = at_times(kaplan_meier(rows.with_columns(event=pl.col("event") == 1)), [90], start=1)
    assert survival["estimate"][0] == pytest.approx(0.56424709460, rel=1e-10)
    assert survival["lower"][0] == pytest.approx(0.54786946103, rel=1e-10)
    assert survival["upper"][0] == pytest.approx(0.5802770124, rel=1e-10)
    incidence = at_times(aalen_johansen(rows, causes=[1]), [90], start=0)
    assert incidence["estimate"][0] == pytest.approx(0.431200350, rel=1e-8)
    assert incidence["se"][0] == pytest.approx(0.00820146636, rel=1e-9)


def test_censoring_the_competing_event_overstates_incidence():
    rows = read("sim4k_patients.csv").select("time", "event")
    naive = (
        1
        - at_times(kaplan_meier(rows.with_columns(event=pl.col("event") == 1)), [365], start=1)["estimate"][0]
    )
    right = at_times(aalen_johansen(rows, causes=[1]), [365], start=0)["estimate"][0]
    assert naive == pytest.approx(0.84114, abs=5e-6)
    assert right == pytest.approx(0.81621, abs=5e-6)
