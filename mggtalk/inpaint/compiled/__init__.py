"""The composition of a frame as compiled CPU kernels; `inpaint.inpainter` is the twin."""
