"""What this machine has: processes, interpreters, an emulator, folders. Knows layers by their targets only."""
