//! Where a password comes from: the url, a named variable, a command, `MYSQL_PWD`, option files. Never shown, never kept.

use std::path::Path;

use super::super::secret::named;
use crate::signals::database::config::MysqlConfig;

/// The password for the server in `config` where its url has none; the error names what was looked at, never what was
/// found. `variable` reads the environment.
pub async fn password(
    config: &MysqlConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    let named = named(config.password_env.as_deref(), config.password_command.as_deref(), &variable).await?;
    if named.is_some() {
        return Ok(named);
    }
    if let Some(path) = &config.option_file {
        let text = std::fs::read_to_string(path).map_err(|e| format!("option_file {}: {e}", path.display()))?;
        return Ok(of_options(&text, "password"));
    }
    if let Some(value) = variable("MYSQL_PWD") {
        return Ok(Some(value));
    }
    Ok(at_home(&variable).and_then(|text| of_options(&text, "password")))
}

/// Who to be where the url does not say: the option file's user, else our own name.
pub fn user(config: &MysqlConfig, variable: impl Fn(&str) -> Option<String>) -> String {
    let named = config.option_file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let options = named.or_else(|| at_home(&variable));
    let of_file = options.and_then(|text| of_options(&text, "user"));
    of_file.or_else(|| variable("USER")).or_else(|| variable("LOGNAME")).unwrap_or_else(|| "root".into())
}

fn at_home(variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    std::fs::read_to_string(Path::new(&variable("HOME")?).join(".my.cnf")).ok()
}

/// The last value of `wanted` in the sections that clients read.
fn of_options(text: &str, wanted: &str) -> Option<String> {
    let mut ours = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            ours = matches!(name, "client" | "client-server" | "client-mariadb" | "mysql" | "mariadb" | "warroom");
        } else if ours
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == wanted
        {
            let value = value.trim();
            let bare = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
            found = Some(bare.unwrap_or(value).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::config::SecretUrl;

    fn config() -> MysqlConfig {
        MysqlConfig {
            name: None,
            url: SecretUrl("mysql://u@h/".into()),
            password_env: None,
            password_command: None,
            option_file: None,
            interval: 1.0,
        }
    }

    #[tokio::test]
    async fn what_is_named_comes_before_what_lies_around() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".my.cnf");
        std::fs::write(&file, "[mysqld]\npassword=no\n[client]\nuser=x\npassword = \"of = file\"\n").unwrap();
        let home = dir.path().display().to_string();
        let variable = |name: &str| match name {
            "OURS" => Some("of variable".to_owned()),
            "HOME" => Some(home.clone()),
            _ => None,
        };
        let mut c = config();
        assert_eq!(password(&c, variable).await, Ok(Some("of = file".into())));
        assert_eq!(user(&c, variable), "x");
        assert_eq!(user(&c, |name| (name == "USER").then(|| "me".into())), "me");
        assert_eq!(password(&c, |_| Some("of pwd".into())).await, Ok(Some("of pwd".into())));
        c.password_command = Some("echo of command; echo more".into());
        assert_eq!(password(&c, variable).await, Ok(Some("of command".into())));
        c.password_env = Some("OURS".into());
        assert_eq!(password(&c, variable).await, Ok(Some("of variable".into())));
        c.password_env = Some("THEIRS".into());
        assert!(password(&c, variable).await.unwrap_err().contains("no THEIRS"));
        (c.password_env, c.password_command) = (None, Some("echo s3cret; exit 3".into()));
        let why = password(&c, variable).await.unwrap_err();
        assert!(why.contains("3") && !why.contains("s3cret"), "{why}");
    }
}
