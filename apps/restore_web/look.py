"""How the page looks: theme, style sheet, words of the browser's part."""

import gradio as gr

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
CSS = """
.gradio-container {max-width: 1240px !important; width: 100%; margin: 0 auto !important}
#header h1 {font-size: 1.6rem; font-weight: 650; margin: 0 0 .2rem}
#header p {margin: 0; opacity: .75}
#photo table {margin: 0; padding: 2px 44px 2px 4px}
#photo tr {margin: 0; padding: 4px; background: none}
#photo .icon-button-wrapper {top: calc(50% - 14px); right: 12px; border: none; box-shadow: none; transform: scale(1.3)}
#options .form > * {flex: 1 1 150px; min-width: 150px !important}
#options .form > :has(textarea), #options .form > :has([type="checkbox"]) {flex-basis: 100%}
#steps .tab-container button {padding-left: 10px; padding-right: 10px}
@media (max-width: 500px) {#steps .tab-container button {padding-left: 4px; padding-right: 4px; font-size: .8rem}}
#sides .form > * {flex: 1 1 40%; min-width: 120px !important}
#others:not(:has(button)), #said [data-testid="status-tracker"]:has(.error) {display: none}
#stop {visibility: hidden}
:has(> #said .progress-text) #stop {visibility: visible}
#editor button[aria-label="Clear canvas"], #editor button[aria-label="Color"] {display: none}
"""
TO_RESULT = """() => setTimeout(() => {
    const views = document.querySelector("#views");
    if (views.getBoundingClientRect().top < 0) views.scrollIntoView({behavior: "smooth"});
}, 300)"""
WORDS = gr.I18n(en={"upload_text.drop_file": "Drop a picture here", "upload_text.click_to_upload": "Click to choose one"})


def theme() -> gr.themes.Base:
    """Give the colours and the system's own fonts, so that the page fetches none."""
    return gr.themes.Soft(primary_hue="teal", neutral_hue="stone", font=FONT, font_mono=("ui-monospace", "monospace")).set(
        background_fill_primary="*neutral_50",  # Soft's own, which set() would take away
        color_accent="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_600",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        checkbox_border_color="*neutral_400",
    )
