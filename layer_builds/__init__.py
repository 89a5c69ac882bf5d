"""Lambda layers, from a list of requirements to a checked, reproducible archive.

`python -m layer_builds` is the command line. The rooms, each importing only from those above it:

- `plan`: declarations, locks, digest, manifest, budget. Pure Python over committed files: all that a preview loads.
- `host`: what this machine has: processes, interpreters, an emulator, folders.
- `build`: from a lock to a checked archive.
- `lock`: from requirements to a lock. `ship`: what becomes of an archive: the artifact bucket, reports, an audit.
"""
