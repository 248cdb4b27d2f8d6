//! Passwords that a configuration names without holding them: an environment variable, a command. Never shown, never kept.

use std::process::Stdio;
use std::time::Duration;

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The password that the configuration names, if it names one; the error names what was looked at, never what was found.
/// `variable` reads the environment.
pub async fn named(
    env: Option<&str>,
    command: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    if let Some(name) = env {
        let value = variable(name);
        return value.map(Some).ok_or_else(|| format!("password_env: the environment has no {name}; export it"));
    }
    match command {
        Some(command) => of_command(command).await.map(Some),
        None => Ok(None),
    }
}

async fn of_command(command: &str) -> Result<String, String> {
    let run = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let out = match tokio::time::timeout(PATIENCE, run).await {
        Ok(Ok(out)) => out,
        Ok(Err(e)) => return Err(format!("password_command: sh does not run: {e}")),
        Err(_) => return Err("password_command: not done within 10 s; it must not ask anything".into()),
    };
    if !out.status.success() {
        return Err(format!("password_command failed ({}); run it by hand", out.status));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    match text.lines().next().filter(|l| !l.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err("password_command printed nothing; run it by hand".into()),
    }
}
