"""The store's contract and its implementations."""
