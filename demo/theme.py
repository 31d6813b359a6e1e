"""How the page looks: one theme, dark and light, from a phone's width up."""

from __future__ import annotations

import gradio as gr

CSS = """
.gradio-container { width: 100%; max-width: 1320px !important; margin: 0 auto !important; }
#head h1 { margin: 0; font-size: 1.7rem; }
#head p { margin: 0.1rem 0 0; opacity: 0.8; }
.step { font-size: 0.95rem; font-weight: 600; margin: 0.2rem 0; }
.note, .note p { font-size: 0.85rem; opacity: 0.85; }
.card { border: 1px solid var(--border-color-primary); border-radius: 10px; padding: 0.6rem 0.8rem;
        background: var(--background-fill-secondary); }
.card ul { list-style: none; margin: 0; padding: 0; }
.card li { display: grid; grid-template-columns: 1.3rem 6.2rem 1fr; gap: 0.3rem; padding: 0.1rem 0; }
.card li span.advice { grid-column: 2 / 4; font-size: 0.85rem; opacity: 0.85; }
.good .dot { color: #15803d; } .fair .dot { color: #b45309; } .poor .dot { color: #b91c1c; }
.dark .good .dot { color: #4ade80; } .dark .fair .dot { color: #fbbf24; } .dark .poor .dot { color: #f87171; }
.state { border-radius: 10px; padding: 0.6rem 0.8rem; border: 1px solid var(--border-color-primary); }
.state progress { width: 100%; height: 0.6rem; margin-top: 0.4rem; accent-color: var(--color-accent); }
.state.empty { border-style: dashed; opacity: 0.85; }
.state.error { border-color: #dc2626; } .state.done { border-color: #16a34a; }
.legend span { display: inline-block; margin-right: 1rem; } .legend i { display: inline-block; width: 0.8em;
        height: 0.8em; border-radius: 3px; margin-right: 0.35em; vertical-align: -0.05em; }
button:focus-visible, input:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--color-accent);
        outline-offset: 2px; }
@media (max-width: 640px) { #head h1 { font-size: 1.35rem; } .card li { grid-template-columns: 1.2rem 5.8rem 1fr; } }
"""


def theme() -> gr.themes.Base:
    """Plain, with the fonts of the visitor's system: nothing is fetched from elsewhere."""
    return gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "monospace"],
    )
