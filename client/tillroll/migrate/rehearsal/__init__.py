"""A rehearsal: what is pending, run on an empty copy of the schema and watched."""
