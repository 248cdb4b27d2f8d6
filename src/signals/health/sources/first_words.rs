//! What a server says first to whoever connects, where it speaks the protocol of MySQL and MariaDB.
//!
//! It greets, or says why it lets nobody in: too many connections (1040), our host blocked (1129). A greeting must be
//! answered: who hangs up on it counts as a connection error of the host, and 100 of them block it. The answer is a login
//! that is refused (an account that nobody has, without a password), which counts as none; it leaves one line in the
//! server's log, so words are read rarely. The packets: MySQL's "Connection Phase".

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a server that speaks first is waited for, and how long for its answer to a login.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(2));
/// An account that nobody has.
const ACCOUNT: &[u8] = b"warroom-probe";
/// Bytes read of an answer.
const MOST: usize = 1_024;
/// `This host has no account here`: the server is well, and says nothing of those who have one.
const NO_ACCOUNT: u16 = 1130;

const GREETING: u8 = 10;
const ERROR: u8 = 0xff;
const OTHER_WAY: u8 = 0xfe;
const LET_IN: u8 = 0;

/// What a server said first.
#[derive(Debug, PartialEq, Eq)]
pub enum Words {
    /// MySQL's or MariaDB's greeting, or that our host has no account: it works.
    Greeting,
    /// It lets nobody in, in its words.
    Refused(String),
    /// Nothing, or something else.
    Other,
}

/// Reads the first words and ends the connection in the way the server takes for no error.
pub async fn read(mut stream: TcpStream) -> Words {
    // Reset, it would be an error again.
    let _ = rustix::net::sockopt::set_socket_linger(&stream, None);
    let Some(first) = packet(&mut stream, PATIENCE.0).await else { return Words::Other };
    let words = words(&first);
    if words == Words::Greeting && first.get(4) == Some(&GREETING) {
        let _ = tokio::time::timeout(PATIENCE.1, be_refused(&mut stream)).await;
    }
    words
}

/// The words of a packet: three bytes of length, a number, then what it says.
fn words(packet: &[u8]) -> Words {
    let Some((head, said)) = packet.split_at_checked(4) else { return Words::Other };
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    match said {
        // Its version follows, ended by a zero byte.
        [GREETING, rest @ ..] if head[3] == 0 && length == said.len() && rest.contains(&0) => Words::Greeting,
        [ERROR, low, high, text @ ..] if length == said.len() => {
            let number = u16::from_le_bytes([*low, *high]);
            // Some versions put `#` and five letters in front.
            let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
            let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(200).collect();
            if number == NO_ACCOUNT { Words::Greeting } else { Words::Refused(format!("{number} {text}")) }
        }
        _ => Words::Other,
    }
}

/// Logs in as nobody.
async fn be_refused(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&login()).await?;
    loop {
        let Some(answer) = packet(stream, PATIENCE.1).await else { return Ok(()) };
        let number = answer.get(3).copied().unwrap_or_default().wrapping_add(1);
        match answer.get(4) {
            // No password, whatever way the server would have it in.
            Some(&OTHER_WAY) => stream.write_all(&[0, 0, 0, number]).await?,
            // Somebody left the door open: a goodbye.
            Some(&LET_IN) => return stream.write_all(&[1, 0, 0, 0, 1]).await,
            _ => return Ok(()),
        }
    }
}

/// The answer to a greeting (`HandshakeResponse41`).
fn login() -> Vec<u8> {
    // Long password flags, protocol 4.1, secure connection, names of authentication plugins.
    const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_8000 | 0x0008_0000;
    const UTF8: u8 = 33;
    let mut said = CAPABILITIES.to_le_bytes().to_vec();
    said.extend((1_u32 << 24).to_le_bytes());
    said.push(UTF8);
    said.extend([0; 23]);
    said.extend(ACCOUNT);
    // The end of the name, a password of no bytes.
    said.extend([0, 0]);
    said.extend(b"mysql_native_password\0");
    let mut packet = vec![said.len() as u8, 0, 0, 1];
    packet.extend(said);
    packet
}

/// One packet, as far as it comes in time; what is no packet as it comes.
async fn packet(stream: &mut TcpStream, patience: Duration) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let whole = |b: &[u8]| b.len() >= 4 && b.len() - 4 >= usize::from(b[0]) | usize::from(b[1]) << 8;
    let _ = tokio::time::timeout(patience, async {
        while bytes.len() < MOST && !whole(&bytes) {
            match stream.read_buf(&mut bytes).await {
                Ok(1..) => {}
                _ => break,
            }
        }
    })
    .await;
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u8, said: &[u8]) -> Vec<u8> {
        [&[said.len() as u8, 0, 0, number], said].concat()
    }

    #[test]
    fn a_greeting_a_refusal_and_other_servers_words_are_told_apart() {
        assert_eq!(words(&of(0, b"\x0a5.5.5-10.11.19-MariaDB\0rest")), Words::Greeting);
        let refused = |text: &str| Words::Refused(text.into());
        assert_eq!(words(&of(0, b"\xff\x10\x04Too many connections")), refused("1040 Too many connections"));
        assert_eq!(words(&of(0, b"\xff\x10\x04#08004Too many connections")), refused("1040 Too many connections"));
        assert_eq!(words(&of(0, b"\xff\x69\x04Host 'a' is blocked")), refused("1129 Host 'a' is blocked"));
        assert_eq!(words(&of(0, b"\xff\x6a\x04Host 'a' is not allowed")), Words::Greeting);
        for other in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"", b"\x0a", b"220 mail ESMTP\r\n", &[0xff; 40], &[0; 4]] {
            assert_eq!(words(other), Words::Other, "{other:?}");
        }
    }
}
