"""Look of the page: one theme, dark and light, from a phone's width up."""

from __future__ import annotations

import gradio as gr

CSS = """
.gradio-container { width: 100%; max-width: 1320px !important; margin: 0 auto !important;
        overflow: clip !important; /* hidden would hold the sticky still back */ }
.hero { display: flex; gap: 1.5rem; align-items: center; justify-content: space-between; }
.hero h1 { margin: 0; font-size: 1.9rem; font-weight: 700; } .hero p { margin: 0.4rem 0 0; max-width: 46rem; }
.hero figure { margin: 0; flex: 0 0 200px; } .hero video { width: 200px; border-radius: 12px; display: block; }
.hero figcaption { font-size: 0.72rem; opacity: 0.8; margin-top: 0.2rem; }
.html-container { padding: 0 !important; }
.step .gradio-style, .explained .gradio-style { display: flex; align-items: center; gap: 0.5rem; }
.help-mark { position: relative; flex: none; width: 1.35rem; height: 1.35rem; padding: 0; border-radius: 50%;
        border: 1px solid currentColor; background: none; color: inherit; font-size: 0.8rem; line-height: 1;
        opacity: 0.75; cursor: pointer; }
.help-mark::after { content: ""; position: absolute; inset: -0.6rem; } .help-mark:hover { opacity: 1; }
.help:not(:popover-open) { display: none; }
.help { inset: 0; margin: auto !important; width: fit-content; max-width: min(30rem, 92vw); max-height: 80vh;
        overflow: auto; padding: 0.9rem 1.1rem; border: 1px solid var(--border-color-primary); border-radius: 12px;
        background: var(--background-fill-primary); color: var(--body-text-color); font-size: 0.9rem;
        box-shadow: 0 6px 30px rgb(0 0 0 / 35%); }
.help p { margin: 0.45rem 0 0; } .help code { font-size: 0.8rem; }
@supports (position-area: bottom) {
    @media (min-width: 641px) { .help { position-anchor: auto; inset: auto; margin: 0.4rem 0 !important;
            position-area: bottom span-right;
            position-try-fallbacks: bottom span-left, top span-right, top span-left; } }
}
.step h2 { font-size: 1.02rem; font-weight: 600; margin: 0.2rem 0; }
.try { gap: 0.5rem !important; }
.try button { flex: 0 0 auto !important; min-width: max-content !important; white-space: nowrap; }
.pictures { display: grid !important; grid-template-columns: repeat(6, 1fr); }
.pictures button { flex-direction: column; padding: 0.25rem; min-width: 0 !important; font-size: 0.75rem; }
.pictures button img { width: 100%; height: auto; border-radius: 8px; margin: 0; }
.whole { display: grid !important; grid-template-columns: repeat(4, 1fr); }
.whole button { justify-content: flex-start; text-align: left; min-width: 0 !important;
        white-space: normal; padding: 0.3rem 0.6rem 0.3rem 0.3rem; }
.whole button img { width: 52px; height: 52px; border-radius: 8px; }
.label-clear-button[aria-label="Remove this file"] { display: none; } /* results cannot be removed by hand */
.consent { margin: 0.2rem 0; }
.live { position: relative; max-width: 512px; }
.live-avatar { width: 100%; display: block; border-radius: 10px; background: var(--background-fill-secondary); }
.live figure { position: absolute; left: 0.5rem; top: 0.5rem; margin: 0; }
.live-self { width: 120px; display: block; border-radius: 8px; transform: scaleX(-1); }
.live-words { min-height: 1.4rem; margin: 0.3rem 0 0; }
.icon-button-wrapper.top-panel { top: auto !important; bottom: var(--block-label-margin, 4px) !important; }
.note, .note p { font-size: 0.85rem; opacity: 0.85; }
.card { border: 1px solid var(--border-color-primary); border-radius: 10px; padding: 0.6rem 0.8rem;
        background: var(--background-fill-secondary); }
.card ul, .lines ul { list-style: none; margin: 0; padding: 0; }
.card li, .lines li { display: grid; grid-template-columns: 1.3rem 6.2rem 1fr; gap: 0.3rem; padding: 0.1rem 0; }
.card li span.advice { grid-column: 2 / 4; font-size: 0.85rem; opacity: 0.85; }
.good .dot { color: #15803d; } .fair .dot { color: #b45309; } .poor .dot { color: #b91c1c; }
.dark .good .dot { color: #4ade80; } .dark .fair .dot { color: #fbbf24; } .dark .poor .dot { color: #f87171; }
.state { border-radius: 10px; padding: 0.6rem 0.8rem; border: 1px solid var(--border-color-primary); }
.state progress { width: 100%; height: 0.6rem; margin-top: 0.4rem; border: 0;
        border-radius: 1rem; background: var(--border-color-primary); appearance: none; overflow: hidden; }
.state progress::-webkit-progress-bar { background: var(--border-color-primary); }
.state progress::-webkit-progress-value { background: var(--color-accent); }
.state progress::-moz-progress-bar { background: var(--color-accent); }
.state.empty { border-style: dashed; opacity: 0.85; }
.state.error { border-color: #dc2626; } .state.done { border-color: #16a34a; }
.legend span { display: inline-block; margin-right: 1rem; } .legend i { display: inline-block; width: 0.8em;
        height: 0.8em; border-radius: 3px; margin-right: 0.35em; vertical-align: -0.05em; }
button:focus-visible, input:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--color-accent);
        outline-offset: 2px; }
@media (max-width: 640px) {
    .card li, .lines li { grid-template-columns: 1.2rem 5.8rem 1fr; }
    .hero { gap: 0.8rem; align-items: flex-start; } .hero h1 { font-size: 1.35rem; } .hero p { font-size: 0.85rem; }
    .hero figure { flex-basis: 120px; } .hero video { width: 120px; } .hero figcaption { font-size: 0.65rem; }
    .whole { grid-template-columns: repeat(2, 1fr); } .whole button { font-size: 0.82rem; min-width: 0 !important; }
    .whole button img { width: 38px; height: 38px; }
    .tab-container button { font-size: 0.7rem; padding: 0 0.2rem; }
    .edit { flex-direction: column-reverse !important; }
    .edit-picture { position: sticky; top: 0; z-index: 100; width: 100%; background: var(--body-background-fill); }
    #edit-still, #edit-still .image-container, #edit-still img { height: 230px !important; }
}
"""


def theme() -> gr.themes.Base:
    """Plain, with the fonts of the visitor's system: nothing is fetched from elsewhere."""
    return gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "monospace"],
    ).set(checkbox_border_color_dark="*neutral_400", checkbox_background_color_dark="*neutral_900")
