"""Other lips for a film: head and upper face stay, the lower face is moved, and the mouth opened, as new sound asks."""
