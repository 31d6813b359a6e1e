"""Errors as visitors see them."""

from __future__ import annotations

import inspect
import logging

import gradio as gr
import pytest
from gradio.utils import get_type_hints

from demo.answers import BROKEN, answered
from demo.help import mark
from demo.limits import given
from mggtalk.errors import OptionError


def fails(error: Exception):
    """A handler that raises."""

    @answered(lambda message: [message, gr.skip()])
    def handler(path: str | None, request: gr.Request) -> list[object]:
        raise error

    return handler


def test_what_a_visitor_can_mend_is_told_in_its_own_words() -> None:
    message, _ = fails(OptionError("The size is 3.", "Choose 256."))(None, None)
    assert "The size is 3. Choose 256." in message and 'role="alert"' in message


def test_anything_else_goes_to_the_log_and_no_folder_to_the_page(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        message, _ = fails(FileNotFoundError("/srv/secret/portrait.png"))(None, None)
    assert BROKEN in message and "secret" not in message and "secret" in caplog.text


def test_gradio_still_sees_what_a_handler_takes() -> None:
    handler = fails(ValueError())
    assert list(inspect.signature(handler).parameters) == ["path", "request"]
    assert get_type_hints(handler)["request"] is gr.Request


def test_a_file_that_is_gone_is_asked_for_again(tmp_path) -> None:
    path = tmp_path / "portrait.png"
    with pytest.raises(OptionError, match="no longer on the server. Please choose it again"):
        given(str(path), "portrait", "Upload one.")
    path.touch()
    assert given(str(path), "portrait", "Upload one.") == str(path)


def test_an_explanation_is_a_button_and_its_note_and_escapes_what_it_says() -> None:
    text = mark("Why & how", ("Name", "a <b> and `code`"), "more")
    assert 'popovertarget="help-why-how"' in text and 'id="help-why-how"' in text
    assert "Explain: Why &amp; how" in text and "&lt;b&gt;" in text and "<code>code</code>" in text
