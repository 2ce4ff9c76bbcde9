"""askonce beside other caches, in one run: ``python -m benchmarks``."""
