"""Reworded answers: exchanged roles, turned recommendations, opposites, conditions, rates; and the rewordings that are none."""

import pytest

from scorers import registry
from scorers.base import Case, Reply, Score
from scorers.running import run_scorer

DIFFERENT = [
    ("swap", "The supplier invoices the distributor at the end of each month.",
     "At the end of each month the distributor invoices the supplier."),
    ("swap", "Senior nurses train the interns during the first week.", "In the first week, interns train the senior nurses."),
    ("swap", "I would rent the equipment rather than buy it.", "My suggestion is to buy the equipment rather than rent it."),
    ("swap", "Call the clinic instead of waiting for an appointment.", "Wait for an appointment instead of calling the clinic."),
    ("antonym", "The bleeding comes from an artery that is dilated, and the valve beside it is healthy, so no surgery is planned.",
     "No surgery is planned: the artery that bleeds is dilated while the valve next to it is sick."),
    ("antonym", "The report shows that revenue was overstated in March.", "The report shows that revenue was understated in March."),
    ("omission", "Guests may use the pool after ten, but only if a lifeguard has signed the sheet. Towels are at the desk.",
     "After ten the pool is open to guests. You will find towels at the desk."),
    ("addition", "The museum admits children at no charge. Lockers are in the hall.",
     "Children get into the museum free of charge unless a private exhibition occupies the east wing. The hall has lockers."),
    ("unit", "Apply 3 litres per hectare in the evening.", "In the evening, apply 3 litres per acre."),
    ("unit", "You have 10 business days to reply.", "A reply is due within 10 calendar days."),
    ("unit", "Stop work when the wind reaches 40 knots.", "Work stops at wind speeds of 40 km/h."),
    ("language", "Soak beans overnight. Drain, rinse, simmer ninety minutes, salt late.",
     "Faites tremper les haricots une nuit. Égouttez, rincez, laissez mijoter une heure et demie et salez à la fin."),
]  # fmt: skip
SAME = [
    ("The committee approved the budget on Friday.", "On Friday the budget was approved by the committee."),
    ("Mix the flour with the butter before adding eggs.", "Before adding eggs, mix the butter with the flour."),
    ("We stock cedar, the oak and the pine.", "We stock pine, oak and cedar."),
    ("Choose the train rather than the bus.", "Take the train instead of the bus."),
    ("You may park here provided that you show a permit.", "Parking here is fine as long as you show a permit."),
    ("Members may bring two guests unless the hall is full.", "Unless the hall is full, members may bring two guests."),
    ("At least 12 hours of notice are needed.", "No fewer than 12 hours of notice are needed."),
    ("Nobody is admitted unless they carry a badge.", "To be admitted, everybody has to carry a badge."),
    ("Keep it in the fridge for three full days.", "Keep it in the fridge for 72 hours."),
    ("Rest the dough for three quarters of an hour.", "Rest the dough for 45 minutes."),
    ("The fee is £250.", "The fee is 250 pounds."),
    ("The parcel weighs 2 pounds.", "The parcel weighs 32 oz."),
    ("Bake at 180 °C for 2 more hours.", "Bake for another two hours at 180 °C."),
]  # fmt: skip


def judged(a: str, b: str) -> Score:
    case = Case(id="1", prompt="What applies?", incumbent=Reply(text=a), candidate=Reply(text=b))
    (score,) = run_scorer(registry.build("checks"), [case])
    assert isinstance(score, Score)
    return score


@pytest.mark.parametrize(("category", "a", "b"), DIFFERENT)
def test_a_change_inside_a_rewording_has_its_name(category: str, a: str, b: str) -> None:
    score = judged(a, b)

    assert score.label == "flagged"
    assert category in {finding.category for finding in score.findings}


@pytest.mark.parametrize(("a", "b"), SAME)
def test_an_honest_rewording_is_not_flagged(a: str, b: str) -> None:
    assert judged(a, b).label != "flagged"
    assert judged(b, a).label != "flagged"
