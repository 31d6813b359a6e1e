"""The web page of MGGTalk: layout, handlers and examples. No model code."""

from demo.ui import build, launch

__all__ = ["build", "launch"]
