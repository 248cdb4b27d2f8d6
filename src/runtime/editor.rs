//! A file of a stack trace in the user's own editor. Which file it is comes out of a log line, so nothing goes through a
//! shell, and only what is a file on this machine is opened.

use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The command that opens `path` at `line`, or why there is none. `env` gives variables of the environment.
pub fn command(env: impl Fn(&str) -> Option<String>, path: &Path, line: u32) -> Result<Command, String> {
    let shown = path.display();
    let set = |name| env(name).filter(|v| !v.trim().is_empty());
    let Some(editor) = set("VISUAL").or_else(|| set("EDITOR")) else {
        return Err(format!("no editor for {shown}:{line}: set EDITOR, e.g. EDITOR=vi, and start again"));
    };
    if !path.is_file() {
        return Err(format!("{shown} is no file on this machine; start warroom in the folder that paths begin in"));
    }
    // One that begins with a dash is a path and no option.
    let path = if path.is_absolute() { path.to_path_buf() } else { Path::new(".").join(path) };
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words);
    let at = format!("{}:{line}", path.display());
    match Path::new(program).file_name().and_then(|n| n.to_str()).unwrap_or_default() {
        "code" | "codium" | "code-insiders" | "cursor" => command.args(["--wait", "--goto", &at]),
        "hx" | "helix" | "subl" | "zed" => command.arg(at),
        _ => command.arg(format!("+{line}")).arg(path),
    };
    Ok(command)
}

/// A new file with `text` that nobody else may read, and the command that opens it in the user's editor.
pub fn for_note(env: impl Fn(&str) -> Option<String>, text: &str) -> Result<(PathBuf, Command), String> {
    // A name that cannot be guessed: the folder may be shared.
    let name = format!("warroom-note-{}.md", crate::signals::incident::event::RecordId::fresh());
    let path = std::env::temp_dir().join(name);
    let write = || {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|e| format!("cannot write {} for the editor: {e}; set TMPDIR", path.display()))?;
    match command(env, &path, 1) {
        Ok(command) => Ok((path, command)),
        Err(why) => {
            let _ = std::fs::remove_file(&path);
            Err(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(editor: &str, path: &str) -> Result<String, String> {
        let c = command(|name| (name == "EDITOR").then(|| editor.to_owned()), Path::new(path), 3)?;
        let args: Vec<_> = c.as_std().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        Ok(format!("{} {}", c.as_std().get_program().to_string_lossy(), args.join(" ")))
    }

    #[test]
    fn each_editor_is_told_the_line_in_its_own_way_and_nothing_goes_through_a_shell() {
        assert_eq!(said("vim -R", "Cargo.toml").unwrap(), "vim -R +3 ./Cargo.toml");
        assert_eq!(said("hx", "Cargo.toml").unwrap(), "hx ./Cargo.toml:3");
        assert_eq!(said("/usr/bin/code", "Cargo.toml").unwrap(), "/usr/bin/code --wait --goto ./Cargo.toml:3");
        assert_eq!(said("vi;reboot", "Cargo.toml").unwrap(), "vi;reboot +3 ./Cargo.toml", "a name, however odd");
    }

    #[test]
    fn without_an_editor_or_a_file_it_says_what_to_do() {
        assert!(said("", "Cargo.toml").unwrap_err().contains("set EDITOR"));
        assert!(said("vi", "src").unwrap_err().contains("no file on this machine"));
        assert!(said("vi", "no/such/file.py").unwrap_err().contains("no file on this machine"));
    }
}
