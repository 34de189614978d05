"""The local stack: Postgres, the gateway in front of it, sign-in."""
