"""The code that runs in Lambda, one folder per function; imported there under the same names as here."""
