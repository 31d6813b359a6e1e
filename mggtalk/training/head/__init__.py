"""Training of the head: refinement, deformation and Gaussian prediction."""
