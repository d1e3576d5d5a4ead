"""The parts of bench/compare: backfill against other ways to do the same work."""
