//! Themes, completions, man page: texts made from the program itself.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::ui::Theme;

/// `warroom themes`: one name a line.
pub fn themes() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for name in Theme::names() {
        writeln!(out, "{name}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `warroom completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    clap_complete::generate(shell, &mut Cli::command(), "warroom", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

/// `warroom man`: the man page, in roff.
pub fn man() -> anyhow::Result<ExitCode> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}
