//! `warroom screen`: one frame as text, for tickets and for tests.

use crate::app::filtering;
use std::io::Write;
use std::process::ExitCode;

use crate::app::pane::Pane;
use crate::cli::{FrameFormat, ScreenArgs, UsageError};
use crate::config::Config;
use crate::runtime::live::parse_filter;
use crate::runtime::replay::Input;
use crate::runtime::settings::{load, settings};
use crate::runtime::still::Still;
use crate::timeline::time_text;
use crate::ui::frame::{self, Palette};
use crate::ui::theme::ColorDepth;

/// Draws it and prints it.
pub fn run(args: ScreenArgs) -> anyhow::Result<ExitCode> {
    let (config, _) = Config::find(args.screen.config.as_deref())?;
    let (settings, _) = settings(&config, &args.screen)?;
    let name = args.screen.theme.as_deref().unwrap_or(&config.screen.theme);
    // No terminal is asked: the frame has all the colours of the theme.
    let theme = load(name, ColorDepth::True).map_err(|e| UsageError(e.to_string()))?;
    let mut still = Still::read(&Input::of(&args.replayed)?, settings)?;
    if let Some(text) = &args.at {
        let at = time_text::parse_near(text, still.state.horizon(), &still.state.settings.zone).map_err(UsageError)?;
        still.at(at);
    }
    if let Some(name) = &args.pane {
        let pane = Pane::named(name).ok_or_else(|| {
            UsageError(format!("no pane is called {name:?}: logs, host, database, deploys, health, incident"))
        })?;
        still.state.view.focus = pane;
        still.state.view.zoom = true;
    }
    let filter = parse_filter(args.filter.as_deref())?;
    let effects = filtering::set_filter(&mut still.state, filter);
    still.carry_out(effects);
    let buffer = still.frame(&theme, args.size.0, args.size.1);
    let light = theme.name == "light" || theme.name == "paper";
    let text = match args.format {
        FrameFormat::Text => frame::to_text(&buffer),
        FrameFormat::Ansi => frame::to_ansi(&buffer),
        FrameFormat::Svg => frame::to_svg(&buffer, if light { Palette::LIGHT } else { Palette::DARK }),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(ExitCode::SUCCESS)
}
