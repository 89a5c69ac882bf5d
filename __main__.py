"""The Pulumi program: deploys what the stack's config names. Everything else is in `components/`."""

from components.program import deploy
from components.systems import SYSTEMS

if __name__ == "__main__":
    deploy(SYSTEMS)
