"""The rasterizer as compiled CPU kernels; `torch_reference` and gsplat are its twins."""
