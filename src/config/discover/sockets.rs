//! `/proc/net/{tcp,tcp6,unix}`: who listens here, and what is connected to where.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::signals::Roots;
use crate::signals::host::sources::read;

/// One end of a connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
}

/// As in a configuration: `10.0.0.7:5432`, `[fd00::1]:5432`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::net::SocketAddr::new(self.ip, self.port))
    }
}

/// One TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Our end.
    pub local: End,
    /// The other end; zeros when listening.
    pub remote: End,
    /// The kernel's state number: 1 established, 10 listening.
    pub state: u8,
    /// Links it to a process's descriptor; 0 when no process holds it any more.
    pub inode: u64,
}

/// All sockets of this network namespace.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    /// TCP over IPv4 and IPv6.
    pub tcp: Vec<Tcp>,
    /// Paths of listening Unix sockets, each with its inode.
    pub unix: Vec<(String, u64)>,
}

/// Sockets read per table; a busy proxy has more, and the first ones show what there is.
const MOST: usize = 20_000;

impl Sockets {
    /// Reads the three tables; each is bounded to a mebibyte, and what cannot be read is empty.
    pub fn read(roots: &Roots) -> Sockets {
        let text = |name: &str| read::text(&roots.proc.join("net").join(name)).unwrap_or_default();
        let mut tcp = Vec::new();
        for name in ["tcp", "tcp6"] {
            tcp.extend(text(name).lines().skip(1).take(MOST).filter_map(parse_tcp));
        }
        let listening = |l: &str| {
            let words: Vec<&str> = l.split_ascii_whitespace().collect();
            // Flag 00010000 marks a socket that listens.
            (words.get(3) == Some(&"00010000"))
                .then(|| Some(((*words.get(7)?).to_owned(), words.get(6)?.parse().ok()?)))?
        };
        Sockets { tcp, unix: text("unix").lines().skip(1).take(MOST).filter_map(listening).collect() }
    }

    /// Sockets that listen.
    pub fn listening(&self) -> impl Iterator<Item = &Tcp> {
        self.tcp.iter().filter(|t| t.state == 10)
    }

    /// Connections that stand.
    pub fn established(&self) -> impl Iterator<Item = &Tcp> {
        self.tcp.iter().filter(|t| t.state == 1)
    }
}

fn parse_tcp(line: &str) -> Option<Tcp> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    Some(Tcp {
        local: parse_end(words.get(1)?)?,
        remote: parse_end(words.get(2)?)?,
        state: u8::from_str_radix(words.get(3)?, 16).ok()?,
        inode: words.get(9)?.parse().ok()?,
    })
}

/// `0100007F:1538`: words of the address in the machine's own byte order, the port in network order.
fn parse_end(text: &str) -> Option<End> {
    let (ip, port) = text.split_once(':')?;
    let word = |i: usize| u32::from_str_radix(ip.get(i * 8..i * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0u8; 16];
            for i in 0..4 {
                bytes[i * 4..i * 4 + 4].copy_from_slice(&word(i)?);
            }
            let v6 = Ipv6Addr::from(bytes);
            v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
        }
        _ => return None,
    };
    Some(End { ip, port: u16::from_str_radix(port, 16).ok()? })
}
