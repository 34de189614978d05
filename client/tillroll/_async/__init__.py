"""The client, its transports and its retry loop; `_sync` is generated from `_async`."""
