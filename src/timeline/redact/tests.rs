use super::*;

/// Lines with a secret planted between `{{` and `}}`.
const PLANTED: &[&str] = &[
    "token {{eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U}} ok",
    "Authorization: Bearer {{abc.def.ghi}}",
    "authorization: Basic {{dXNlcjpwYXNz}}",
    "\"Authorization\":\"Token {{a1b2c3}}\",\"x\":1",
    "{\"authorization\": \"{{opaque}}\"}",
    "proxy-authorization=Basic {{Zm9vOmJhcg==}}",
    "got bearer {{mF_9.B5f-4.1JqM}} from upstream",
    "curl -H 'Authorization: Bearer {{s3cr3t-thing}}' http://x",
    "key {{AKIAIOSFODNN7EXAMPLE}} used",
    "aws_access_key_id={{ASIAIOSFODNN7EXAMPLE}}",
    "aws_secret_access_key = {{wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}}",
    "AWS_SECRET_ACCESS_KEY={{wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}}",
    "password={{hunter2}} user=bob",
    "password: {{hunter}}",
    "\"password\":\"{{hunter \\\" 2}}\",\"a\":1",
    "{\\\"password\\\":\\\"{{hunter2}}\\\"}",
    "'passwd': '{{hunter2}}'",
    "db_password={{x}} ok",
    "PGPASSWORD={{swordfish}} psql",
    "DB_PASSWD={{swordfish}}",
    "pwd={{hunter2}};server=x",
    "Server=db;Pwd={{hunter2}};",
    "\"secret\" : \"{{xyzzy}}\"",
    "client_secret={{plugh123}}&grant_type=x",
    "GET /cb?token={{abcd}}&x=1 200",
    "GET /cb?x=1&access_token={{abcd-ef}} HTTP/1.1",
    "?api_key={{0123456789}}",
    "apikey={{zzz}}",
    "x-api-key: {{9f8e7d6c5b4a}}",
    "apiKey: \"{{abc}}\"",
    "\"refreshToken\":\"{{abc}}\"",
    "csrf_token={{kjh34kj5h}}",
    "secret_key={{django-insecure-abc}}",
    "private_key: {{MIIEvQIBADANBg}}",
    "postgres://shop:{{s3cret}}@db-1:5432/orders",
    "redis://:{{p4ss}}@cache:6379/0",
    "amqp://u:{{p@ss}}@mq/vhost",
    "https://ci:{{x0auth}}@github.com/a/b.git",
    "mongodb+srv://app:{{pw}}@cluster0.example.net/?x=1",
    "Cookie: {{session=abc123; theme=dark}}",
    "\"cookie\":\"{{sid=s%3Aabc.def}}\"",
    "Set-Cookie: sid={{abc123}}; Path=/; HttpOnly",
    "set-cookie: [\"sid={{abc123}}; Path=/\"]",
    "card {{4111111111111111}} declined",
    "card {{4111 1111 1111 1111}} declined",
    "card={{5500-0000-0000-0004}}",
    "amex {{378282246310005}}",
    "pan:{{6011111111111117}},",
    "mail to {{jane.doe+x@example.co.uk}} failed",
    "user=<{{bob@example.com}}>",
    "\"email\":\"{{a@b.io}}\"",
    "tok {{ghp_abcdefghijklmnopqrstuvwxyz0123456789}}",
    "tok {{github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz}}",
    "tok {{glpat-abcdefghijklmnopqrst}}",
    "tok {{xoxb-123456789012-abcdefGHIJKL}}",
    "post https://hooks.slack.com/services/{{T000/B000/XXXXXXXX}}",
    "stripe {{sk_live_4eC39HqLyjWDarjtT1zdp7dc}}",
    "stripe {{whsec_4eC39HqLyjWDarjtT1zdp7dc}}",
    "openai {{sk-proj-abcdefghijklmnopqrstuv}}",
    "gcp {{AIzaSyA1234567890abcdefghijklmnopqrstuv}}",
    "npm {{npm_abcdefghijklmnopqrstuvwxyz0123456789}}",
    "sendgrid {{SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuv}}",
    "vault {{hvs.abcdefghijklmnopqrstuvwxyz}}",
    "ALTER ROLE shop PASSWORD '{{hunter2}}'",
    "CREATE USER a IDENTIFIED BY '{{hunter2}}'",
    "mysqldump --password {{hunter2}} db",
    "deploy --token '{{abc def}}'",
    "curl -u bob:{{hunter2}} http://x",
    "blob?sv=2020&sig={{abcDEF%2B123%3D}}&se=1",
    "X-Amz-Signature={{fe5f80f77d5fa3beca038a248ff027}}",
    "DefaultEndpointsProtocol=https;AccountKey={{Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsu==}};",
    "session_token={{550e8400-e29b-41d4-a716-446655440000}}",
    "cvv={{123}}",
];

const INNOCENT: &[&str] = &[
    "2026-11-20T14:03:22.123456Z INFO GET /orders/81 200 12ms",
    "request_id=550e8400-e29b-41d4-a716-446655440000 trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "dd.trace_id=4111111111111111 dd.span_id=4012888888881881",
    "id 4111-1111-1111-1111-1111 and 41111111-1111-1111-1111-111111111111",
    "epoch 1700000000123 1700000000123456 1700000000123456789",
    "order 4111111111111112 has a wrong check digit",
    "JSON parse error: unexpected token: end of file",
    "max_tokens=512 tokens: 100 token_type=bearer token_count=7",
    "password authentication failed for user \"shop\"",
    "password=null secret=\"\" token: none",
    "PWD=/var/www/app",
    "The bearer of bad news; basic authentication required",
    "connected to postgres://shop@db-1:5432/orders",
    "http://10.0.0.1:8080/path?next=a:b",
    "source orders@db-1 and com.example.Foo@1a2b3c",
    "git@github.com:acme/shop.git",
    "pool timeout after 5.0 s (20/20 in use, 7 waiting)",
    "systemd[1]: Started Session 17 of user root.",
    "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "cookies are enabled; cookie: missing",
    "SELECT * FROM users WHERE password_hash IS NOT NULL",
    "secretary=alice tokenizer=bpe passenger=7",
    "version 1.4.2-rc.1+build.77 on 192.168.0.1:5432",
    "-----BEGIN CERTIFICATE-----",
    "a-b_c.d ‹redacted› naïve 漢字",
];

#[test]
fn no_planted_secret_is_left_and_all_around_it_stays() {
    assert!(PLANTED.len() >= 60);
    let mut wrong = Vec::new();
    for line in PLANTED {
        let (before, rest) = line.split_once("{{").unwrap();
        let (secret, after) = rest.split_once("}}").unwrap();
        let dirty = format!("{before}{secret}{after}");
        let clean = redact(&dirty);
        if clean != format!("{before}{REDACTED}{after}") || redact(&clean) != clean {
            wrong.push(format!("{dirty}\n    -> {clean}\n    -> {}", redact(&clean)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn innocent_lines_are_not_touched() {
    assert!(INNOCENT.len() >= 20);
    for line in INNOCENT {
        assert!(matches!(redact(line), Cow::Borrowed(_)), "{line} -> {}", redact(line));
    }
}

#[test]
fn a_private_key_loses_every_line_but_no_line_break() {
    let key = "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabcd+/==\n-----END RSA PRIVATE KEY-----\nz\n";
    let out = redact(key);
    assert_eq!(out.matches('\n').count(), key.matches('\n').count());
    assert!(
        !out.contains("MIIE")
            && !out.contains("abcd")
            && out.starts_with("a\n-----BEGIN")
            && out.ends_with("-----\nz\n")
    );
}

#[test]
fn a_line_that_speaks_of_a_private_key_takes_nothing_else_with_it() {
    let mut log = String::from(
        "2026-11-21T14:00:00Z ERROR cannot parse key: expected -----BEGIN RSA PRIVATE KEY----- at start\n",
    );
    for n in 0..500 {
        log += &format!("2026-11-21T14:00:{:02}Z ERROR order {n} failed: connection refused\n", n % 60);
    }
    assert_eq!(redact(&log), log);
}

#[test]
fn a_private_key_goes_in_whatever_way_it_was_logged() {
    let lines: Vec<String> = (0..25).map(|n| format!("{:064}", n).replace('0', "aB+")[..64].to_owned()).collect();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    let stamped = |line: &str| format!("2026-11-21T14:00:00Z INFO {line}\n");
    let last = "Zm9vYg==";
    for (how, text) in [
        ("with line breaks", format!("{begin}\n{}\n{last}\n{end}\nafter it\n", lines.join("\n"))),
        (
            "with its kind",
            format!(
                "{begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,A0\n\n{}\n{last}\n{end}\nafter it\n",
                lines.join("\n")
            ),
        ),
        ("cut off", format!("{begin}\n{}\n2026-11-21T14:00:00Z INFO after it\n", lines.join("\n"))),
        (
            "in JSON",
            format!("{{\"key\":\"{begin}\\n{}\\n{last}\\n{end}\\n\",\"msg\":\"after it\"}}\n", lines.join("\\n")),
        ),
        ("in JSON, cut off", format!("{{\"key\":\"{begin}\\n{}\n{{\"msg\":\"after it\"}}\n", lines.join("\\n"))),
        ("with blanks", format!("key {begin} {} {last} {end} after it\n", lines.join(" "))),
        (
            "line by line",
            stamped(begin)
                + &lines.iter().map(|l| stamped(l)).collect::<String>()
                + &stamped(last)
                + &stamped(end)
                + "after it\n",
        ),
    ] {
        for out in [redact(&text).into_owned(), mask(&text).into_owned()] {
            assert!(lines.iter().all(|l| !out.contains(l.as_str())) && !out.contains(last), "{how}: {out}");
            assert!(out.contains("after it") && out.contains(begin), "{how}: {out}");
        }
    }
}

#[test]
fn a_whole_file_of_secrets_keeps_its_lines() {
    let all: String = PLANTED.iter().map(|l| l.replace("{{", "").replace("}}", "") + "\n").collect();
    let out = redact(&all);
    assert_eq!(out.lines().count(), PLANTED.len());
    for line in PLANTED {
        let secret = line.split_once("{{").and_then(|(_, r)| r.split_once("}}")).unwrap().0;
        if secret.len() > 8 {
            assert!(!out.contains(secret), "{secret}");
        }
    }
}
