"""Speech: what is heard, and how it moves the lips and the head."""
