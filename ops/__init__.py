"""What a team does with a stack once it runs: `python -m ops --help`.

Owns the commands over boto3 (doctor, secret, smoke, invoke, tail, redrive, rollback, prune) and the text of the
pull-request comment. Deliberately not here: building layers (`layer_builds`) and deploying (`pulumi up`).
"""
