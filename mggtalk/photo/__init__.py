"""The whole photo: the people in it, animated in their places."""
