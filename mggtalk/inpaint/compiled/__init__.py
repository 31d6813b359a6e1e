"""The composition of a frame as compiled CPU kernels; `inpaint.image_renderer` is the twin."""
