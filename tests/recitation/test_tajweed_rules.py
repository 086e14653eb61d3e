"""The list of rules."""

from recitation.tajweed.rules import Family, Rule


def test_every_rule_has_a_family_and_a_name_of_its_own() -> None:
    assert {rule.family for rule in Rule} == set(Family)
    assert len({rule.label.ar for rule in Rule}) == len({rule.label.en for rule in Rule}) == len(Rule)
    assert {rule for rule in Rule if rule.family is Family.MADD} == {rule for rule in Rule if rule.startswith("madd_")}
