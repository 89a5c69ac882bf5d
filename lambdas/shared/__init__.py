"""What more than one function uses: deadlines, retries, batches, secrets, logs, health. Powertools does the rest."""
