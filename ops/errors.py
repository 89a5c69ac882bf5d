"""The two ways in which a command ends badly; the command line turns them into exit codes 1 and 2."""


class OpsError(Exception):
    """The command could not do what was asked, or found that something is wrong. Exit code 1."""


class UsageError(OpsError):
    """The command was asked for something that does not make sense, before it did anything. Exit code 2."""
