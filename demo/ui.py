"""The page: portrait on the left, tabs on the right, the session's results below."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import gradio as gr
from starlette.routing import Route

from demo.api import add_api
from demo.dub import dub_tab
from demo.examples import collect
from demo.first import introduce, whole_examples, wire
from demo.frames import frame_route
from demo.learn import learn_tab
from demo.limits import KEEP_SECONDS, TEXT, THREADS, UPLOAD
from demo.live import live_tab
from demo.marks import mark_reader
from demo.memory import set_aside, share_arenas
from demo.portrait import portrait_column
from demo.startup import fetch_speech_encoder, has_mcp, self_test
from demo.stills import edit_tab, why_tab
from demo.studio import Studio
from demo.tabs import free_view_tab, reenact_tab, talk_tab
from demo.theme import CSS, theme
from mggtalk.pipeline import MGGTalkPipeline

TITLE = "MGGTalk"
HEARTBEAT = "4"
"""Seconds between two signs of life. A client that hears none for 20 s hangs up, and its files and jobs go with it: at
Gradio's 15 s a busy server is taken for a dead one."""

SESSIONS = 64
"""Visitors of whose page Gradio keeps the state; it keeps those of closed pages too, about a megabyte each."""

ETHICS = (
    "Use pictures and voices only of people who agreed to it, and say that the result is AI-made. Every video says so "
    "in the picture, in its metadata, and in an invisible watermark; “Is a file AI-made?” finds them."
)


class Page(gr.Blocks):
    """A page with routes of our own beside Gradio's."""

    own_routes: tuple[Route, ...] = ()


def build(pipe: MGGTalkPipeline) -> Page:
    """Lay out the page.

    Args:
        pipe: Does the work.

    Returns:
        The page with its queue; see :func:`launch`.
    """
    os.environ.setdefault("GRADIO_HEARTBEAT_INTERVAL", HEARTBEAT)
    studio, examples = Studio(pipe), collect()
    with Page(title=TITLE, analytics_enabled=False, delete_cache=(600, KEEP_SECONDS), fill_width=True) as page:
        introduce(examples)
        wholes = whole_examples(examples)
        results = gr.Gallery(
            label="Videos (AI-made)", columns=4, height="auto", object_fit="contain", render=False, elem_id="results"
        )
        files = gr.File(label="All files", file_count="multiple", interactive=False, render=False, elem_id="files")
        gallery = [results, files]
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                column = portrait_column(studio, examples)
            with gr.Column(scale=9, min_width=320), gr.Tabs() as tabs:
                with gr.Tab("Reenact", id="reenact"):
                    runs = [reenact_tab(studio, examples, column, gallery)]
                with gr.Tab("Talk", id="talk"):
                    runs += [talk_tab(studio, examples, column, gallery)]
                with gr.Tab("Free view", id="free_view"):
                    runs += [free_view_tab(studio, examples, column, gallery)]
                with gr.Tab("Dub", id="dub"):
                    dub_tab(studio, gallery)
                with gr.Tab("Live", id="live"):
                    seat = live_tab(studio, column)
                with gr.Tab("Learn", id="learn"):
                    learn_tab(studio, column.portrait)
                with gr.Tab("Edit", id="edit"):
                    edit_tab(studio, column)
                with gr.Tab("Why?", id="why"):
                    why_tab(studio, column)
        wire(wholes, examples, tabs, column.portrait, runs, gallery)
        with gr.Accordion("This session's videos", open=False):
            results.render()  # type: ignore[no-untyped-call]  # gradio has no types there
            files.render()  # type: ignore[no-untyped-call]
        mark_reader(studio)
        gr.Markdown(f"{ETHICS}\n\n{TEXT}", elem_classes="note")
        add_api(studio)
        page.unload(studio.leave)
        page.unload(seat.leave_page)
    page.own_routes = (frame_route(seat),)
    page.queue(default_concurrency_limit=None)
    return page


def launch(**options: Any) -> None:
    """Load the pipeline and serve the page.

    Args:
        options: For :meth:`gr.Blocks.launch`, on top of those that the page needs.
    """
    share_arenas()
    logging.basicConfig(level=logging.WARNING)
    self_test(collect())
    threading.Thread(target=fetch_speech_encoder, name="fetch", daemon=True).start()
    page = build(MGGTalkPipeline.from_pretrained())
    set_aside()
    page.launch(**{**serving(page), **options})


def serving(page: Page) -> dict[str, Any]:
    """Options for :meth:`gr.Blocks.launch`: nothing of the disk is served but the page's own cache."""
    return {
        "theme": theme(),
        "css": CSS,
        "allowed_paths": [],
        "max_file_size": UPLOAD,
        "max_threads": THREADS,
        "state_session_capacity": SESSIONS,
        "enable_monitoring": False,
        "run_history": False,
        "show_error": True,
        "ssr_mode": False,
        "app_kwargs": {"routes": page.own_routes},
        "mcp_server": has_mcp(),
    }
