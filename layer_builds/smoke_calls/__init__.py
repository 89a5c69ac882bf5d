"""What the smoke files of several layers share: `from layer_builds.smoke_calls.service import Service`.

`in_target.py` makes this folder importable in the target's interpreter, under this name and with nothing else of
`layer_builds`: so the standard library only, for any Python that a layer may be for.
"""
