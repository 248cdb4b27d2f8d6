//! What the log pane shows: query, anchor, resident rows, progress.
