"""From what a user asked for to finished jobs: settings, planning, the queue, one job."""
