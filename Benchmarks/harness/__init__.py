"""What the benchmarks share: installing peers, starting them, loading them, reading their cost, telling the result."""
