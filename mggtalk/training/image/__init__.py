"""Training of the image network: layers drawn once, crops of them, losses and critic."""
