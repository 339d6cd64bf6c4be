"""How far a judge can be trusted: agreement with people, gains by labels and judge together, probes. Pure."""
