"""What encchat costs, measured with the real parts; ``python -m benchmarks e2e`` (docs/performance.md)."""
