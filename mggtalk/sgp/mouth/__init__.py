"""The inside of the mouth: the decoder of its sheet, and single teeth."""
