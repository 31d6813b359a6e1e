"""Explanations behind a question mark: a button that opens a note, by mouse, finger and keyboard alike."""

from __future__ import annotations

import html
import re

import gradio as gr

Entry = tuple[str, str]
"""A name on the page, and what it means."""


def mark(about: str, *entries: Entry | str) -> str:
    """A question mark, as HTML.

    The browser itself opens the note above all else, closes it on Escape or a click beside it, and returns the focus.

    Args:
        about: What is explained, unique on the page; screen readers say it.
        entries: Explanations with or without a name; `` `code` `` is set as such.
    """
    name = "help-" + re.sub("[^a-z0-9]+", "-", about.lower()).strip("-")
    parts = "".join(_entry(entry) for entry in entries)
    title = html.escape(about)
    return (
        f'<button type="button" class="help-mark" popovertarget="{name}" aria-label="Explain: {title}">?</button>'
        f'<div popover id="{name}" class="help" role="note" aria-label="{title}"><b>{title}</b>{parts}</div>'
    )


def heading(title: str, about: str, *entries: Entry | str) -> gr.HTML:
    """A heading with a question mark beside it."""
    return gr.HTML(f"<h2>{html.escape(title)}</h2>{mark(about, *entries)}", elem_classes="step")


def explained(text: str, about: str, *entries: Entry | str) -> gr.HTML:
    """A line of text, or nothing, with a question mark behind it."""
    return gr.HTML(f"<span>{html.escape(text)}</span>{mark(about, *entries)}", elem_classes="note explained")


def _entry(entry: Entry | str) -> str:
    name, text = ("", entry) if isinstance(entry, str) else entry
    words = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return f"<p><i>{html.escape(name)}.</i> {words}</p>" if name else f"<p>{words}</p>"
