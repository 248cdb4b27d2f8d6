//! OSC 52: text to the clipboard of whatever terminal is at the other end, through tmux and SSH.

use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;

/// Most bytes sent; many terminals drop longer ones in silence.
pub const LIMIT: usize = 74_000;

/// The bytes that send `text`, wrapped for tmux where it is between.
pub fn sequence(text: &str) -> Vec<u8> {
    let mut end = text.len().min(LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = Vec::new();
    let _ = queue!(bytes, CopyToClipboard::to_clipboard_from(&text[..end]));
    bytes
}
