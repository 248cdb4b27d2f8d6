//! Themes, completions, man page: texts made from the program itself.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::app::action::ACTIONS;
use crate::app::keymap::{Context, Key};
use crate::cli::Cli;
use crate::timeline::Filter;
use crate::ui::Theme;

/// `warroom themes`: one name a line.
pub fn themes() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for name in Theme::names() {
        writeln!(out, "{name}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `warroom keys`: actions, default keys and sentences as a Markdown table, and the filter's.
pub fn keys() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    write!(out, "{}\n{}", key_table(), filter_table())?;
    Ok(ExitCode::SUCCESS)
}

/// The key table of the README.
pub fn key_table() -> String {
    let mut text = String::from("| key | action | does |\n|---|---|---|\n");
    for row in ACTIONS {
        let keys: Vec<String> =
            row.keys.iter().filter_map(|k| k.parse::<Key>().ok()).map(|k| format!("`{k}`")).collect();
        let keys = if row.context == Context::Typed { format!("`:{}`", row.name) } else { keys.join(" ") };
        text.push_str(&format!("| {} | {} | {} |\n", keys.replace('|', "\\|"), row.name, row.sentence));
    }
    text
}

/// The filter's table of the README.
pub fn filter_table() -> String {
    let mut text = String::from("| write | means |\n|---|---|\n");
    for (example, meaning) in Filter::HELP {
        text.push_str(&format!("| `{}` | {} |\n", example.replace('|', "\\|"), meaning.replace('|', "\\|")));
    }
    text
}

/// `warroom completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    // Into memory first: the generator panics when whoever reads its output has gone.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "warroom", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// `warroom man`: the man page, in roff.
pub fn man() -> anyhow::Result<ExitCode> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between<'a>(text: &'a str, name: &str) -> &'a str {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let rest = text.split_once(&start).map_or("", |(_, r)| r);
        rest.split_once(&end).map_or("", |(t, _)| t)
    }

    #[test]
    fn the_readme_has_the_keys_and_the_filter_of_the_tables() {
        let readme = include_str!("../../README.md");
        assert_eq!(between(readme, "keys"), key_table(), "put the output of `warroom keys` into README.md");
        assert_eq!(between(readme, "filter"), filter_table(), "put the output of `warroom keys` into README.md");
    }
}
