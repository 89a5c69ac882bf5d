"""What more than one function uses: deadlines, secrets, the health answer. Powertools does the rest."""
