"""What a deployment suffers, with real processes and a real PostgreSQL: kills, outages, lost
commits, a full disk, wrong clocks, poolers."""
