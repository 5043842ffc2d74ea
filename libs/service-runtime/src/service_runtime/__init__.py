"""What every process needs once: settings, logs, health, problems, the Temporal connection, the worker loop."""
