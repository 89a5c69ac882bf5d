"""The Pulumi components of Strata: layers, functions, triggers, and the systems that join them."""
