"""The queue measured on real processes: replicas of the gateway, Redis, a strict upstream, callers."""
