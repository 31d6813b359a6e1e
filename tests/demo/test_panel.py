"""The panel of a video, without a page or a video."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import gradio as gr

from demo.film import Step
from demo.panel import Panel
from demo.sessions import Visitors


class Studio:
    """Jobs that go on until they are stopped."""

    def __init__(self) -> None:
        self.visitors = Visitors(60.0)

    def make(self, order: str, request: gr.Request) -> Iterator[Step]:
        """Tell the order, again and again."""
        with self.visitors.job(self.visitors.of(request), "reenact") as stop:
            while not stop.is_set():
                yield Step(order)
            yield Step(f"{order} was stopped")


def test_a_new_job_of_a_tab_stops_the_earlier_one_whose_words_are_not_shown() -> None:
    with gr.Blocks():
        panel = Panel(Studio(), "reenact", "hint", "Go")  # type: ignore[arg-type]
    somebody, other = (SimpleNamespace(session_hash=name) for name in ("a", "b"))
    first, others = panel._run(lambda: "first", somebody, []), panel._run(lambda: "other", other, [])
    for job in (first, others):
        next(job)
    assert "first" in next(first)[panel.state]
    second = panel._run(lambda: "second", somebody, [])
    assert "Getting ready" in next(second)[panel.state] and "second" in next(second)[panel.state]
    assert list(first) == [], "it has ended, and its end is not shown over the new job"
    assert "second" in next(second)[panel.state]
    assert "other" in next(others)[panel.state], "another visitor's job goes on"
