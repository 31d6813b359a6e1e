"""Entry point of the web page, for Spaces and laptops: ``python app.py``."""

from demo.ui import launch

if __name__ == "__main__":
    launch()
