"""From requirements to exact wheels, and to the modules that get bytecode."""
