"""Ground floor of the package: threads, kernels, progress, files, the cache."""
