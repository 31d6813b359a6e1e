"""Training of the audio-to-expression prior, and its adaptation to one speaker."""
