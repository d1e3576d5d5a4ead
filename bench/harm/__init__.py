"""What bench/throttle is made of: live users beside a backfill, and what they notice of it."""
