"""What everything stands on: threads, kernels, progress, files, the cache."""
