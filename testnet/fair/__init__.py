"""A fair: many clients order of many workers, of which some misbehave now and then; each job ends as it should."""
