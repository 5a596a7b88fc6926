"""Programme: the rules by which a city pays, and what they make of a household's usage.

The words: a *policy* is a versioned document of rules, known by the digest of its text; *usage* is what a household used
of a commodity in a settlement period, its *baseline* what it would have used by the policy's rule, the *reduction*
baseline minus usage; a *tier* is a rung of the reward; an *award* is the outcome and the points for one household,
commodity and period; a *finding* is something a rule noticed, with its numbers, that holds an award back or is a note;
the *streak* is the run of reductions that maintenance looks at.

What always holds:
- everything that decides a point is an integer or a rational: no floating point, nothing rounded but where rules.md says;
- missing is not zero: a month without a reading makes the period incomplete, and nothing is paid for it;
- the rules are pure: the same readings, tenures and policy give the same awards, today and when an auditor recomputes them;
- chunks of households are independent; what compares a household with others takes the city's totals as an argument;
- data beyond the bounds within which the arithmetic is proved are refused, never wrapped;
- a policy is told all its faults at once, each by its key, and never changes once it is known by its digest.
"""
