"""The whole of Strata on one machine: a local AWS, a Lambda host for real layers, and stand-ins for the SaaS APIs."""
