"""A visitor of the page who waits as long as a busy machine takes."""

from __future__ import annotations

from gradio_client import Client


def visit(address: str) -> Client:
    """Open the page by its API. Gradio's own client gives up after five seconds."""
    return Client(address, verbose=False, httpx_kwargs={"timeout": None})
